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
        #[doc = remote_methods!(@errors)]
        pub fn $name(&self, $($arg: $type),*) -> Result<$result, $crate::wire::error::CallError> {
            self.proxy.perform($crate::wire::protocol::RequestKind::Conditional, remote_methods!(@method conditional $value, ($($type,)*), $result, $body), &($(&$arg,)*), None)
        }

        #[doc = concat!("Calls [`", stringify!($name), "`](Self::", stringify!($name), "), and waits up to `timeout`.\n")]
        /// # Errors
        ///
        #[doc = concat!("[`CallError::Timeout`](crate::CallError::Timeout), and then nothing was done; otherwise as [`", stringify!($name), "`](Self::", stringify!($name), ").\n")]
        $(#[$timed_meta])*
        pub fn $timed(&self, $($arg: $type,)* timeout: std::time::Duration) -> Result<$result, $crate::wire::error::CallError> {
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
        #[doc = remote_methods!(@errors)]
        pub fn $name<$form: serde::Serialize + ?Sized>(&self, $lent: &$form) -> Result<$result, $crate::wire::error::CallError>
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
        #[doc = remote_methods!(@errors)]
        pub fn $name(&self, $($lent: &$lent_type,)* $($arg: $type),*) -> Result<$result, $crate::wire::error::CallError> {
            self.proxy.perform(
                remote_methods!(@kind $mode),
                remote_methods!(@method $mode $value, ($($lent_type,)* $($type,)*), $result, $body),
                &($($lent,)* $(&$arg,)*),
                None,
            )
        }

        remote_methods! { @each $value; $($rest)* }
    };
    (@errors) => {
        "\n# Errors\n\n[`CallError::ManagerGone`](crate::CallError::ManagerGone) or \
         [`CallError::ObjectGone`](crate::CallError::ObjectGone); [`CallError::Timeout`](crate::CallError::Timeout) where \
         [a limit](Self::with_timeout) was set; [`CallError::Unsendable`](crate::CallError::Unsendable) for an argument that \
         cannot be encoded."
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

/// Writes what every typed proxy has: it is a handle like the [`Proxy`](crate::Proxy) that it is made of. The literal is code that
/// makes one, for the examples. `debug` writes `Debug`, too; `hidden` leaves the proxy of the plain value out of the documentation,
/// where that has no methods of its own.
macro_rules! proxy_type {
    (debug $($rest:tt)*) => {
        proxy_type! { $($rest)* }
        proxy_type! { @debug $($rest)* }
    };
    (@debug hidden $($rest:tt)*) => { proxy_type! { @debug $($rest)* } };
    (@debug [$($generics:tt)*] $proxy_type:ident $(<$($parameter:ident),*>)?, $($rest:tt)*) => {
        impl<$($generics)*> std::fmt::Debug for $proxy_type $(<$($parameter),*>)? {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_tuple(stringify!($proxy_type)).field(&self.proxy).finish()
            }
        }
    };
    (hidden $($rest:tt)*) => { proxy_type! { @write #[doc(hidden)] $($rest)* } };
    ([$($generics:tt)*] $($rest:tt)*) => { proxy_type! { @write [$($generics)*] $($rest)* } };
    (@write $(#[$hidden:meta])? [$($generics:tt)*] $proxy_type:ident $(<$($parameter:ident),*>)?, $value:ty, $make:literal) => {
        impl<$($generics)*> $proxy_type $(<$($parameter),*>)? {
            /// Returns the proxy of the plain value, on which any function can be called.
            ///
            /// ```
            /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
            #[doc = concat!("let object = ", $make, "?;")]
            /// let plain = object.proxy().clone();
            #[doc = concat!("let same = procession_manager::", stringify!($proxy_type), "::from(plain);")]
            /// assert_eq!(same.proxy(), object.proxy());
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            #[must_use]
            $(#[$hidden])?
            pub fn proxy(&self) -> &$crate::api::proxy::Proxy<$value> {
                &self.proxy
            }

            /// Returns a proxy for the same object whose calls take at most `timeout`. After that they fail with
            /// [`CallError::Timeout`](crate::CallError::Timeout).
            ///
            /// ```
            /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
            #[doc = concat!("let object = ", $make, "?;")]
            /// let limited = object.with_timeout(std::time::Duration::from_secs(60));
            /// # drop(limited);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            #[must_use]
            pub fn with_timeout(&self, timeout: std::time::Duration) -> Self {
                Self::from(self.proxy.with_timeout(timeout))
            }
        }

        impl<$($generics)*> From<$crate::api::proxy::Proxy<$value>> for $proxy_type $(<$($parameter),*>)? {
            fn from(proxy: $crate::api::proxy::Proxy<$value>) -> Self {
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
