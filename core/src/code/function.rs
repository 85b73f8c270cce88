//! [`Function`]: a function named by its place in the program, so that another process of the same program can call it.
//!
//! A name is two distances from where the program was loaded: of the function, and of a *thunk*, the piece of code, made by
//! the compiler for each pair of argument and result types, that decodes the argument, calls the function and encodes the
//! result. No registry and no macro is needed, and generic functions work like any other.
//!
//! A number that becomes a function pointer must never come from bytes that safe code chose. So a name has no public form:
//! it travels only in a message of a [`Control`](crate::code::control::Control) link, which only this crate makes, between two processes that
//! have checked that they run the same [`Image`](crate::code::image::Image); and there it does not lie among the bytes of the value but
//! beside them, where nothing but this crate's types writes.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::bytes::codec::{self, Handles, Message};
use crate::code::call_batch::CallBatch;
use crate::code::call_error::CallError;
use crate::code::control::Control;
use crate::code::end_copy::EndCopy;
use crate::code::name::{FunctionError, Name};
use crate::code::pending_drop::PendingDrop;
use crate::tuning::FIRST_ALLOCATION;

/// The name of a function of this program.
///
/// ```
/// use procession_core::{Function, codec};
///
/// let double = Function::of(|n: u64| n * 2)?;
/// let result = double.call(codec::encode(&21_u64)?, None)?;
/// assert_eq!(codec::decode::<u64>(result)?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Function(Name);

/// The code between a message and a function, whose address is the first argument. Returns whether there is a result in the
/// buffer.
///
/// By reference: a call is a dozen words that were stored just before, and a copy of them would wait for those stores.
type Thunk = fn(*const (), &mut Call<'_>) -> Result<bool, CallError>;

/// What a thunk is called with.
enum Call<'a> {
    One(One<'a>),
    Row(CallBatch<'a>),
}

/// A single call.
struct One<'a> {
    argument: &'a [u8],
    /// Those of the result take the place of the argument's.
    descriptors: &'a mut Handles,
    control: Option<Control>,
    result: &'a mut Vec<u8>,
    remains: &'a mut PendingDrop,
}

/// The kind of its entry beside a message.
const TRUSTED_KIND: u64 = u64::from_le_bytes(*b"function");

impl Function {
    /// Names a plain function: a function, a method path, or a closure that captures nothing.
    ///
    /// # Errors
    ///
    /// It lies in a shared library.
    ///
    /// ```
    /// use procession_core::{Function, codec};
    ///
    /// fn largest<T: Ord>(items: Vec<T>) -> Option<T> {
    ///     items.into_iter().max()
    /// }
    ///
    /// let name = Function::of(largest::<u8>)?; // a generic function has one name for each type
    /// let result = name.call(codec::encode(&vec![3_u8, 1, 4])?, None)?;
    /// assert_eq!(codec::decode::<Option<u8>>(result)?, Some(4));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of<A: DeserializeOwned, R: Serialize>(function: fn(A) -> R) -> Result<Function, FunctionError> {
        Function::new(thunk::<A, R>, function as *const (), std::any::type_name::<fn(A) -> R>())
    }

    /// Names a function that is handed a control link beside its argument, such as a pool worker's main loop.
    ///
    /// # Errors
    ///
    /// As [`of`](Function::of).
    ///
    /// ```
    /// use procession_core::{Control, Function, codec};
    ///
    /// let count = Function::with_control(|mut control: Control, to: u32| {
    ///     (0..to).for_each(|n| control.send(&n).expect("the other end is open"));
    /// })?;
    /// let (here, mut there) = Control::pair()?;
    /// count.call(codec::encode(&2_u32)?, Some(here))?;
    /// assert_eq!([there.recv(None)?, there.recv(None)?, there.recv(None)?], [Some(0_u32), Some(1), None]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_control<A: DeserializeOwned, R: Serialize>(
        function: fn(Control, A) -> R,
    ) -> Result<Function, FunctionError> {
        let types = std::any::type_name::<fn(Control, A) -> R>();
        Function::new(thunk_with_control::<A, R>, function as *const (), types)
    }

    /// Names a function without an argument. It is called with `()`.
    ///
    /// # Errors
    ///
    /// As [`of`](Function::of).
    ///
    /// ```
    /// use procession_core::{Function, codec};
    ///
    /// fn answer() -> u8 { 42 }
    /// let result = Function::without_argument(answer)?.call(codec::encode(&())?, None)?;
    /// assert_eq!(codec::decode::<u8>(result)?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn without_argument<R: Serialize>(function: fn() -> R) -> Result<Function, FunctionError> {
        Function::new(thunk_without_argument::<R>, function as *const (), std::any::type_name::<fn() -> R>())
    }

    /// Calls it in this process. A panic of the function unwinds out of this call.
    ///
    /// # Errors
    ///
    /// The argument does not decode, or the result does not encode.
    ///
    /// ```
    /// use procession_core::{Function, codec};
    ///
    /// let shout = Function::of(|text: String| text.to_uppercase())?;
    /// let result = shout.call(codec::encode("hello")?, None)?;
    /// assert_eq!(codec::decode::<String>(result)?, "HELLO");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn call(&self, argument: Message, control: Option<Control>) -> Result<Message, CallError> {
        self.call_keeping(argument, control).map(|(result, _)| result)
    }

    /// Calls it as [`call`](Function::call) does, and leaves the value that the function returned to the caller, to be dropped when
    /// its encoded form was sent.
    ///
    /// # Errors
    ///
    /// As [`call`](Function::call).
    ///
    /// ```
    /// use procession_core::{Function, codec};
    ///
    /// let shout = Function::of(|text: String| text.to_uppercase())?;
    /// let (result, kept) = shout.call_keeping(codec::encode("hello")?, None)?;
    /// assert_eq!(codec::decode::<String>(result)?, "HELLO");
    /// assert!(!kept.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn call_keeping(
        &self,
        argument: Message,
        control: Option<Control>,
    ) -> Result<(Message, PendingDrop), CallError> {
        let (argument, mut descriptors) = argument.into_parts();
        let (mut result, mut remains) = (Vec::with_capacity(FIRST_ALLOCATION), PendingDrop::default());
        let one = One {
            argument: &argument,
            descriptors: &mut descriptors,
            control,
            result: &mut result,
            remains: &mut remains,
        };
        self.run(&mut Call::One(one), EndCopy::here_once())?;
        Ok((Message::new(result, descriptors), remains))
    }

    /// Calls it as [`call`](Function::call) does, with an argument that stays where it is and a buffer behind whose content the
    /// result is written. The descriptors of the argument give way to those of the result. What the function has returned is left to
    /// the caller.
    ///
    /// # Errors
    ///
    /// As [`call`](Function::call); the buffer holds then what it held before.
    ///
    /// ```
    /// use procession_core::Function;
    /// use procession_core::codec::{Handles, encode};
    ///
    /// let double = Function::of(|n: u8| n * 2)?;
    /// let mut results = Vec::new();
    /// for argument in [4_u8, 5] {
    ///     double.call_into(encode(&argument)?.bytes(), &mut Handles::new(), &mut results)?;
    /// }
    /// assert_eq!(results, [encode(&8_u8)?.bytes(), encode(&10_u8)?.bytes()].concat());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn call_into(
        &self,
        argument: &[u8],
        descriptors: &mut Handles,
        result: &mut Vec<u8>,
    ) -> Result<PendingDrop, CallError> {
        let mut remains = PendingDrop::default();
        let one = One { argument, descriptors, control: None, result, remains: &mut remains };
        self.run(&mut Call::One(one), EndCopy::here())?;
        Ok(remains)
    }

    /// Calls it for many short arguments, one after another, as long as the results are short too. Returns whether the result
    /// of the last call was left to the caller, in the row's buffer.
    ///
    /// # Errors
    ///
    /// As [`call`](Function::call), of the first call that came to no result. Those before it have passed.
    ///
    /// ```
    /// use procession_core::codec::{Handles, encode};
    /// use procession_core::{Function, Progress, PendingDrop, Ring, CallBatch};
    ///
    /// let repeat = Function::of(|n: u8| "x".repeat(n.into()))?;
    /// let mut results = Ring::with_label("procession: example", 4096)?;
    /// let (mut passed, mut last) = (Progress::default(), Vec::new());
    /// // Each behind its length.
    /// let mut arguments = Vec::new();
    /// for argument in [2_u8, 200, 3] {
    ///     let message = encode(&argument)?;
    ///     arguments.push(message.bytes().len() as u8);
    ///     arguments.extend_from_slice(message.bytes());
    /// }
    /// let descriptors = &mut Handles::new();
    /// let (remains, parting) = (&mut PendingDrop::default(), &mut false);
    /// let row = CallBatch {
    ///     arguments: &arguments, max: 3, passed: &mut passed, results: &mut results, descriptors, last: &mut last, remains, parting,
    /// };
    /// assert!(repeat.call_batch(row)?, "the second result is too long for the row");
    /// assert_eq!(passed.count, 1);
    /// assert!(last.len() > 200);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn call_batch(&self, row: CallBatch<'_>) -> Result<bool, CallError> {
        self.run(&mut Call::Row(row), EndCopy::here())
    }

    #[inline]
    fn run(&self, call: &mut Call<'_>, _copy: EndCopy) -> Result<bool, CallError> {
        // SAFETY: this is the place of a `Thunk`: names are made by `new`, which takes one, and decoded only from a
        // control link to a process that runs this very image, where `new` made them.
        let thunk = unsafe { std::mem::transmute::<*const (), Thunk>(self.0.thunk()) };
        // `_copy` was made before the thunk runs, and is dropped after it, also by a panic: in between the function may copy the process.
        thunk(self.0.function(), call)
    }

    fn new(thunk: Thunk, function: *const (), types: &'static str) -> Result<Function, FunctionError> {
        Name::new(thunk as *const (), function, types).map(Function)
    }
}

impl One<'_> {
    /// Decodes the argument, hands it over together with the control link, and encodes the result.
    #[inline]
    fn run<A: DeserializeOwned, R: Serialize>(&mut self, function: impl FnOnce(A) -> R) -> Result<bool, CallError> {
        // The function owns the descriptors from here on, so the table is empty after an error or a panic.
        let with = std::mem::take(self.descriptors);
        let argument = codec::decode_from(self.argument, with).map_err(CallError::Argument)?;
        let value = function(argument);
        *self.descriptors = codec::append(&value, self.result).map_err(CallError::Result)?;
        // Not dropped here: dropping is code of the user's, which may end the process, and the result is not sent yet.
        *self.remains = PendingDrop::of(value);
        Ok(true)
    }
}

fn thunk<A: DeserializeOwned, R: Serialize>(function: *const (), call: &mut Call<'_>) -> Result<bool, CallError> {
    // SAFETY: `Function::of` is the only place that pairs this thunk with a function, and it takes a `fn(A) -> R`.
    let function = unsafe { std::mem::transmute::<*const (), fn(A) -> R>(function) };
    match call {
        Call::Row(row) => row.run(function),
        // A function that does not ask for the link would close it unseen.
        Call::One(One { control: Some(_), .. }) => Err(CallError::Link),
        Call::One(one) => one.run(function),
    }
}

/// Does the same for a function without an argument.
fn thunk_without_argument<R: Serialize>(function: *const (), call: &mut Call<'_>) -> Result<bool, CallError> {
    // SAFETY: `Function::without_argument` is the only place that pairs this thunk with a function, and it takes a `fn() -> R`.
    let function = unsafe { std::mem::transmute::<*const (), fn() -> R>(function) };
    match call {
        Call::One(one) if one.control.is_none() => one.run(|()| function()),
        _ => Err(CallError::Link),
    }
}

fn thunk_with_control<A: DeserializeOwned, R: Serialize>(
    function: *const (),
    call: &mut Call<'_>,
) -> Result<bool, CallError> {
    // SAFETY: `Function::with_control` is the only place that pairs this thunk with a function, and it takes this type.
    let function = unsafe { std::mem::transmute::<*const (), fn(Control, A) -> R>(function) };
    match call {
        Call::One(one) => {
            let control = one.control.take().ok_or(CallError::Link)?;
            one.run(|argument| function(control, argument))
        }
        // It has no link, and each of its calls would need one.
        Call::Row(_) => Err(CallError::Link),
    }
}

impl Serialize for Function {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize_as(TRUSTED_KIND, serializer)
    }
}

impl<'de> Deserialize<'de> for Function {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Function, D::Error> {
        Name::deserialize_as(TRUSTED_KIND, deserializer).map(Function)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generic<T: Copy + std::ops::Add<Output = T>>(x: T) -> T {
        x + x
    }

    struct Employee;

    impl Employee {
        fn raise(pay: u32) -> u32 {
            pay + 100
        }
    }

    fn call<A: Serialize + DeserializeOwned, R: Serialize + DeserializeOwned>(f: fn(A) -> R, a: &A) -> R {
        let result = Function::of(f).unwrap().call(codec::encode(a).unwrap(), None).unwrap();
        codec::decode(result).unwrap()
    }

    #[test]
    fn functions_generics_methods_and_closures_have_names() {
        assert_eq!(call(generic::<u8>, &4), 8);
        assert_eq!(call(generic::<f64>, &0.5), 1.0);
        assert_eq!(call(Employee::raise, &1900), 2000);
        assert_eq!(call(|(a, b): (String, usize)| a.repeat(b), &("ab".to_owned(), 2)), "abab");
    }

    #[test]
    fn a_name_does_not_cross_an_ordinary_message() {
        let name = Function::of(generic::<u8>).unwrap();
        assert!(codec::encode(&name).unwrap_err().to_string().contains("control link"));
        let forged = codec::encode(&(4_u64, 5_u64)).unwrap();
        assert!(codec::decode::<Function>(forged).unwrap_err().to_string().contains("control link"));
    }

    #[test]
    fn a_function_of_a_shared_library_is_refused() {
        let foreign: fn(i32) -> i32 = {
            // A C function of one integer has the same shape; it is never called here.
            // SAFETY: only its address is taken.
            unsafe { std::mem::transmute(nix::libc::abs as *const ()) }
        };
        assert!(Function::of(foreign).unwrap_err().to_string().contains("shared library"));
    }

    #[test]
    fn an_argument_of_the_wrong_shape_is_an_error() {
        let name = Function::of(generic::<u64>).unwrap();
        let outcome = name.call(codec::encode(&()).unwrap(), None);
        assert!(matches!(outcome, Err(CallError::Argument(_))));
    }
}
