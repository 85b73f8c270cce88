//! [`Plain`]: data that may lie in memory that several processes write to, alone or as a slice ([`Shape`]).

use std::any::TypeId;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem;
use std::num::Wrapping;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicI8, AtomicI16, AtomicI32, AtomicI64, AtomicIsize};
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize};

/// Plain data: bytes that mean the same in every process, whatever they are.
///
/// Implemented for integers, floats, atomics, `()`, and for tuples and arrays of these. Not for `bool`, `char`, references and
/// enums, of which some bytes are no value at all: use `u8`, `u32`, an index, a number.
///
/// # Safety
///
/// The implementer promises that
///
/// - every pattern of bytes is a value of it, also one that another process wrote only half before it was killed;
/// - it holds no address: no reference, pointer, function, `Box`, `Vec`, `String`, or handle of this process, such as a descriptor;
/// - it has no drop glue, which would never run, and nothing is lost without it;
/// - it may be used from any thread: no `Cell` of a thread-local, no guard.
///
/// # Examples
///
/// A struct of one's own, checked by [`plain!`](crate::plain):
///
/// ```
/// use procession_sync::{Mutex, plain};
///
/// plain! {
///     struct Account {
///         cents: i64,
///         bookings: u64,
///     }
/// }
///
/// let account = Mutex::new(Account { cents: 0, bookings: 0 })?;
/// let mut held = account.lock().unwrap();
/// held.cents += 500;
/// held.bookings += 1;
/// assert_eq!((held.cents, held.bookings), (500, 1));
/// # drop(held);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// An address does not compile:
///
/// ```compile_fail,E0277
/// let text = procession_sync::Mutex::new(String::from("an address of this process"));
/// ```
///
/// ```compile_fail,E0277
/// let number = procession_sync::Mutex::new(&7_u32);
/// ```
///
/// ```compile_fail,E0277
/// let number = procession_sync::Shared::new(std::ptr::null::<u32>());
/// ```
#[doc(alias = "Pod")]
#[doc(alias = "ctypes")]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot lie in memory that several processes share",
    label = "not `Plain` data",
    note = "`Plain` are numbers, atomic numbers, and tuples and arrays of them: for a struct of these, define it inside the macro `plain!`; for a \
            `bool`, of which only two bytes are values, use a `u8` or an `AtomicU8`, or an `Event` to wait for; an address means nothing in \
            another process, so a `String`, a `Vec`, a `Box` or a reference cannot be: send it in a message, or keep it in a manager"
)]
pub unsafe trait Plain: Send + 'static {}

/// Implements [`Plain`] for types whose documentation says that any bytes are a value of them.
macro_rules! plain {
    ($($type:ty),* $(,)?) => {
        $(
            // SAFETY: a number, or an atomic one: any bytes are a value, no address, nothing to drop, no thread.
            unsafe impl Plain for $type {}
        )*
    };
}

plain!(u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, f32, f64);
plain!(AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize);
plain!(AtomicI8, AtomicI16, AtomicI32, AtomicI64, AtomicIsize);

// SAFETY: no bytes at all.
unsafe impl Plain for () {}

// SAFETY: a wrapper around one value that keeps all promises.
unsafe impl<T: Plain> Plain for Wrapping<T> {}

// SAFETY: values that keep all promises, one after another.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}

/// Implements [`Plain`] for tuples.
macro_rules! plain_tuple {
    ($($name:ident)*) => {
        // SAFETY: values that keep all promises; padding may hold anything, too. The order of the fields is the same in
        // every process that runs the same program.
        unsafe impl<$($name: Plain),*> Plain for ($($name,)*) {}
    };
}

plain_tuple!(A);
plain_tuple!(A B);
plain_tuple!(A B C);
plain_tuple!(A B C D);
plain_tuple!(A B C D E);
plain_tuple!(A B C D E F);

/// Defines a struct that can lie in shared memory: all its fields are [`Plain`], which the compiler checks.
///
/// This is the way for crates that have no `unsafe` of their own. Attributes, such as derives, and visibility go where they always go.
///
/// # Examples
///
/// ```
/// #![forbid(unsafe_code)]
///
/// use procession_sync::{Mutex, plain};
///
/// plain! {
///     /// Where a worker is, and how far.
///     #[derive(Clone, Copy, Debug, Default, PartialEq)]
///     pub struct Progress {
///         pub file: u32,
///         /// 1 when it has ended.
///         pub has_ended: u8,
///         pub speed: [f64; 2],
///     }
/// }
///
/// let progress = Mutex::new(Progress::default())?;
/// progress.lock().unwrap().file = 7;
/// assert_eq!(progress.lock().unwrap().file, 7);
/// # Ok::<(), procession_sync::CreateError>(())
/// ```
///
/// What means nothing in another process does not compile:
///
/// ```compile_fail,E0277
/// procession_sync::plain! {
///     struct Named {
///         name: String,
///     }
/// }
/// ```
///
/// ```compile_fail,E0277
/// procession_sync::plain! {
///     struct Flag {
///         is_set: bool,
///     }
/// }
/// ```
///
/// With the feature `bytemuck` it also takes the names of types that implement `AnyBitPattern` of the crate bytemuck, as those that
/// derive `Pod` do:
///
#[cfg_attr(feature = "bytemuck", doc = "```")]
#[cfg_attr(not(feature = "bytemuck"), doc = "```text")]
/// #![forbid(unsafe_code)]
///
/// #[derive(Clone, Copy, bytemuck::Zeroable, bytemuck::Pod)]
/// #[repr(C)]
/// struct Account {
///     cents: i64,
///     bookings: u64,
/// }
///
/// procession_sync::plain!(Account);
///
/// let account = procession_sync::Mutex::new(Account { cents: 500, bookings: 1 })?;
/// account.lock().unwrap().cents += 100;
/// assert_eq!(account.lock().unwrap().cents, 600);
/// # assert_eq!(account.lock().unwrap().bookings, 1);
/// # Ok::<(), procession_sync::CreateError>(())
/// ```
#[macro_export]
macro_rules! plain {
    (
        $(#[$attribute:meta])*
        $visibility:vis struct $name:ident {
            $($(#[$field_attribute:meta])* $field_visibility:vis $field:ident: $type:ty),* $(,)?
        }
    ) => {
        $(#[$attribute])*
        $visibility struct $name {
            $($(#[$field_attribute])* $field_visibility $field: $type),*
        }

        const _: () = {
            const fn is_plain<T: $crate::Plain>() {}
            $(is_plain::<$type>();)*
            assert!(!::core::mem::needs_drop::<$name>(), "plain data has nothing to drop");
            // The struct has these fields and no others, whatever an attribute has made of it.
            #[expect(dead_code, reason = "it is only compiled")]
            fn has_these_fields(value: $name) {
                let $name { $($field),* } = value;
                $(let _: $type = $field;)*
            }
        };

        // SAFETY: its fields, all of which were named above, are plain data one after another; padding may hold anything. It is `Send`
        // and `'static` or does not compile, and has nothing to drop.
        unsafe impl $crate::Plain for $name {}
    };
    ($($type:ty),+ $(,)?) => {
        $(
            const _: () = {
                const fn has_any_bit_pattern<T: $crate::__AnyBitPattern>() {}
                has_any_bit_pattern::<$type>();
            };

            // SAFETY: the trait above promises that any bytes are a value, that there is no address among them, and by `Copy` that there
            // is nothing to drop.
            unsafe impl $crate::Plain for $type {}
        )+
    };
}

#[cfg(feature = "bytemuck")]
#[doc(hidden)]
pub use bytemuck::AnyBitPattern as __AnyBitPattern;

/// Implemented by no type.
#[cfg(not(feature = "bytemuck"))]
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`plain!` takes the name of a type only with the feature `bytemuck`",
    label = "put the definition inside `plain!`"
)]
pub trait __AnyBitPattern {}

/// The shape of a shared value: one `T`, or a slice `[T]` whose length is known at run time.
///
/// It is implemented for all [`Plain`] data and for nothing else, and cannot be implemented outside this crate.
///
/// # Examples
///
/// ```
/// use procession_sync::{Mutex, Shape};
///
/// fn is_quiet<T: Shape + ?Sized>(lock: &Mutex<T>) -> bool {
///     !lock.is_poisoned()
/// }
///
/// assert!(is_quiet(&Mutex::new(1)?));
/// assert!(is_quiet(&Mutex::from_slice(&[1, 2, 3])?));
/// # Ok::<(), procession_sync::CreateError>(())
/// ```
#[expect(private_bounds, reason = "sealed: implementing it would promise what only this module can keep")]
pub trait Shape: Layout + Send + 'static {}

impl<T: Plain> Shape for T {}
impl<T: Plain> Shape for [T] {}

/// The layout of one element in memory, and of a place with several.
pub(crate) trait Layout {
    /// The size of one element, in bytes.
    const SIZE: usize;
    /// The alignment of an element, in bytes.
    const ALIGN: usize;

    /// Returns whether there can be `count` elements.
    fn can_count(count: usize) -> bool;

    /// Returns a number that differs between types, and is the same in all processes of a program.
    fn mark() -> u64;

    /// Returns the address of the value that begins at `start`.
    fn at(start: NonNull<u8>, count: usize) -> NonNull<Self>;
}

impl<T: Plain> Layout for T {
    const SIZE: usize = size_of::<T>();
    const ALIGN: usize = align_of::<T>();

    fn can_count(count: usize) -> bool {
        count == 1
    }

    fn mark() -> u64 {
        mark_of::<T>()
    }

    fn at(start: NonNull<u8>, _count: usize) -> NonNull<T> {
        start.cast()
    }
}

impl<T: Plain> Layout for [T] {
    const SIZE: usize = size_of::<T>();
    const ALIGN: usize = align_of::<T>();

    fn can_count(_count: usize) -> bool {
        true
    }

    fn mark() -> u64 {
        mark_of::<T>()
    }

    fn at(start: NonNull<u8>, count: usize) -> NonNull<[T]> {
        NonNull::slice_from_raw_parts(start.cast(), count)
    }
}

/// Plain bytes are shared with other programs too, by name; other types with processes of this program only, in which a type has
/// one identity. Its name would not do: two types can have the same.
fn mark_of<T: Plain>() -> u64 {
    const BYTES: u64 = u64::from_le_bytes(*b"bytes   ");
    if TypeId::of::<T>() == TypeId::of::<AtomicU8>() {
        return BYTES;
    }
    let mut hasher = DefaultHasher::new();
    TypeId::of::<T>().hash(&mut hasher);
    hasher.finish()
}

/// Writes values into fresh memory, one after another.
///
/// # Safety
///
/// From `start` on there is room for `count` values, aligned for `T`, which no other code uses.
pub(crate) unsafe fn fill<T: Plain>(start: NonNull<u8>, count: usize, mut value: impl FnMut(usize) -> T) {
    const { assert!(!mem::needs_drop::<T>(), "plain data has nothing to drop") };
    let start = start.cast::<T>().as_ptr();
    for index in 0..count {
        // SAFETY: the caller promises room for `count` values, so this address lies inside it.
        let place = unsafe { start.add(index) };
        // SAFETY: the place is aligned, and no other code uses it, by the caller's promise.
        unsafe { ptr::write(place, value(index)) };
    }
}
