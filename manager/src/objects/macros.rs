//! The macro that makes a method of a ready-made proxy out of the function that it runs in the manager.

/// Writes the methods of a typed proxy.
///
/// `shared fn len[]() -> usize = |list, ()| list.len();` becomes a method `len` that runs the closure on the value. What stands in
/// brackets is passed by reference, what stands in parentheses by value; the closure gets all of it as one tuple.
macro_rules! remote_methods {
    (impl[$($generics:tt)*] $proxy_type:ty => $value:ty; $($rest:tt)*) => {
        impl<$($generics)*> $proxy_type {
            remote_methods! { @each $value; $($rest)* }
        }
    };
    (@each $value:ty;) => {};
    (@each $value:ty;
        $(#[$meta:meta])*
        conditional fn $name:ident, $(#[$timed_meta:meta])* $timed:ident($($arg:ident: $type:ty),*) -> $result:ty = $body:expr;
        $($rest:tt)*
    ) => {
        $(#[$meta])*
        pub fn $name(&self, $($arg: $type),*) -> Result<$result, $crate::CallError> {
            self.proxy.perform($crate::wire::protocol::RequestKind::Conditional, remote_methods!(@method conditional $value, ($($type,)*), $result, $body), &($(&$arg,)*), None)
        }

        /// The same, for so long at the most.
        ///
        /// # Errors
        ///
        #[doc = concat!("[`CallError::Timeout`](crate::CallError::Timeout), and then nothing was done; otherwise as [`", stringify!($name), "`](Self::", stringify!($name), ").")]
        ///
        $(#[$timed_meta])*
        pub fn $timed(&self, $($arg: $type,)* timeout: std::time::Duration) -> Result<$result, $crate::CallError> {
            let deadline = procession_core::os::poll::deadline_after(timeout);
            self.proxy.perform($crate::wire::protocol::RequestKind::Conditional, remote_methods!(@method conditional $value, ($($type,)*), $result, $body), &($(&$arg,)*), deadline)
        }

        remote_methods! { @each $value; $($rest)* }
    };
    // With a borrowed form of what is lent, which is written as the owned one is.
    (@each $value:ty;
        $(#[$meta:meta])*
        $mode:ident fn $name:ident[$lent:ident: $lent_type:ident as $form:ident]() -> $result:ty = $body:expr;
        $($rest:tt)*
    ) => {
        $(#[$meta])*
        pub fn $name<$form: serde::Serialize + ?Sized>(&self, $lent: &$form) -> Result<$result, $crate::CallError>
        where
            $lent_type: std::borrow::Borrow<$form>,
        {
            self.proxy.perform(
                remote_methods!(@kind $mode),
                remote_methods!(@method $mode $value, ($lent_type,), $result, $body),
                &($lent,),
                None,
            )
        }

        remote_methods! { @each $value; $($rest)* }
    };
    (@each $value:ty;
        $(#[$meta:meta])*
        $mode:ident fn $name:ident[$($lent:ident: $lent_type:ty),*]($($arg:ident: $type:ty),*) -> $result:ty = $body:expr;
        $($rest:tt)*
    ) => {
        $(#[$meta])*
        pub fn $name(&self, $($lent: &$lent_type,)* $($arg: $type),*) -> Result<$result, $crate::CallError> {
            self.proxy.perform(
                remote_methods!(@kind $mode),
                remote_methods!(@method $mode $value, ($($lent_type,)* $($type,)*), $result, $body),
                &($($lent,)* $(&$arg,)*),
                None,
            )
        }

        remote_methods! { @each $value; $($rest)* }
    };
    (@kind exclusive) => { $crate::wire::protocol::RequestKind::Exclusive };
    (@kind shared) => { $crate::wire::protocol::RequestKind::Shared };
    (@method exclusive $value:ty, $argument:ty, $result:ty, $body:expr) => {
        procession_core::Method::exclusive::<$value, $argument, $result>($body)
    };
    (@method shared $value:ty, $argument:ty, $result:ty, $body:expr) => {
        procession_core::Method::shared::<$value, $argument, $result>($body)
    };
    (@method conditional $value:ty, $argument:ty, $result:ty, $body:expr) => {
        procession_core::Method::conditional::<$value, $argument, $result>($body)
    };
}

/// Writes what every typed proxy has: it is a handle like the [`Proxy`](crate::Proxy) that it is made of. What comes last is code
/// that makes one, for the examples.
macro_rules! proxy_type {
    ([$($generics:tt)*] $proxy_type:ident $(<$($parameter:ident),*>)?, $value:ty, $make:literal) => {
        impl<$($generics)*> $proxy_type $(<$($parameter),*>)? {
            /// The proxy of the plain value, on which any function can be called.
            ///
            /// ```
            /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
            /// # procession_manager::init();
            /// # let manager = procession_manager::Manager::start()?;
            #[doc = concat!("let object = ", $make, "?;")]
            /// let plain = object.proxy().clone();
            #[doc = concat!("let same = procession_manager::", stringify!($proxy_type), "::from(plain);")]
            /// assert_eq!(same.proxy(), object.proxy());
            /// # Ok(())
            /// # }
            /// ```
            #[must_use]
            pub fn proxy(&self) -> &$crate::Proxy<$value> {
                &self.proxy
            }

            /// A proxy for the same object whose calls take so long at the most. They fail with
            /// [`CallError::Timeout`](crate::CallError::Timeout) then.
            ///
            /// ```
            /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
            /// # procession_manager::init();
            /// # let manager = procession_manager::Manager::start()?;
            #[doc = concat!("let object = ", $make, "?;")]
            /// let impatient = object.with_timeout(std::time::Duration::from_secs(60));
            /// assert_eq!(impatient.proxy(), object.proxy());
            /// # Ok(())
            /// # }
            /// ```
            #[must_use]
            pub fn with_timeout(&self, timeout: std::time::Duration) -> Self {
                Self::from(self.proxy.with_timeout(timeout))
            }
        }

        impl<$($generics)*> From<$crate::Proxy<$value>> for $proxy_type $(<$($parameter),*>)? {
            fn from(proxy: $crate::Proxy<$value>) -> Self {
                Self { proxy }
            }
        }

        impl<$($generics)*> Clone for $proxy_type $(<$($parameter),*>)? {
            fn clone(&self) -> Self {
                Self { proxy: self.proxy.clone() }
            }
        }

        impl<$($generics)*> serde::Serialize for $proxy_type $(<$($parameter),*>)? {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.proxy.serialize(serializer)
            }
        }

        impl<'de, $($generics)*> serde::Deserialize<'de> for $proxy_type $(<$($parameter),*>)? {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                serde::Deserialize::deserialize(deserializer).map(|proxy| Self { proxy })
            }
        }
    };
}

pub(crate) use {proxy_type, remote_methods};
