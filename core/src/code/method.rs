//! [`Method`]: a function that works on a value which stays where it is, named for another process of the same program.
//!
//! A [`Function`](crate::code::function::Function) takes everything that it needs in its argument. A method is called on a value of any type
//! that its caller holds behind [`Any`]: the thunk finds out whether the value is of the type that the function was written
//! for, so a name that meets the wrong value is an error and never a mistake.
//!
//! As with functions, a name is written and read only inside a message of a [`Control`](crate::code::control::Control) link.

use std::any::{Any, type_name};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::bytes::codec::{self, DecodeError, EncodeError, Handles, Message};
use crate::code::end_copy::EndCopy;
use crate::code::name::{FunctionError, Name};
use crate::code::pending_drop::PendingDrop;

/// The name of a function that works on a value where it is.
///
/// ```
/// use procession_core::{Method, Operand, codec};
///
/// let push = Method::exclusive(|list: &mut Vec<u8>, item: u8| { list.push(item); list.len() })?;
/// let mut list = vec![1_u8, 2];
/// let argument = codec::encode(&3_u8)?;
/// let length = push.call(Operand::Exclusive(&mut list), argument.bytes(), Vec::new(), Vec::new())?;
/// assert_eq!(codec::decode::<usize>(length.expect("a result"))?, 3);
/// assert_eq!(list, [1, 2, 3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Method(Name);

/// What a method is called on.
///
/// ```
/// use procession_core::{Method, Operand, codec};
///
/// let length = Method::shared(|list: &Vec<u8>, (): ()| list.len())?;
/// let nothing = codec::encode(&())?;
/// let mut list = vec![1_u8, 2];
/// for target in [Operand::Shared(&list.clone()), Operand::Exclusive(&mut list)] {
///     // What is borrowed exclusively may be read as well.
///     let result = length.call(target, nothing.bytes(), Vec::new(), Vec::new())?;
///     assert_eq!(codec::decode::<usize>(result.expect("a result"))?, 2);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub enum Operand<'a> {
    /// Where a new value goes.
    New(&'a mut Option<Box<dyn Any + Send + Sync>>),
    /// A value that others may be reading.
    Shared(&'a (dyn Any + Send + Sync)),
    /// A value that is borrowed exclusively.
    Exclusive(&'a mut (dyn Any + Send + Sync)),
    /// Two values that are borrowed exclusively.
    Both(&'a mut (dyn Any + Send + Sync), &'a mut (dyn Any + Send + Sync)),
}

/// A method came to no result.
///
/// ```
/// use procession_core::{Method, MethodError, Operand, codec};
///
/// let length = Method::shared(|list: &Vec<u8>, (): ()| list.len())?;
/// let outcome = length.call(Operand::Shared(&"a text"), codec::encode(&())?.bytes(), Vec::new(), Vec::new());
/// assert!(matches!(outcome, Err(MethodError::WrongType(_))), "a text is no list");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MethodError {
    /// The argument could not be decoded. The function has not run.
    #[error("the function was not called: {0}")]
    Argument(DecodeError),
    /// The function has run, and its result could not be encoded.
    #[error("the function returned, but {0}")]
    Result(EncodeError),
    /// The value is not of the type that the function works on, or was lent in another way. The function has not run.
    #[error("the function was not called: expected a value of type `{0}`")]
    WrongType(&'static str),
}

/// An operation on a value with a function that its caller sends: see `Method::apply_on`.
///
/// ```
/// use procession_core::{ApplyOn, Method, Operand, codec};
///
/// /// Applies the function to each item of a list.
/// struct ToEach;
///
/// impl<A: Clone + serde::de::DeserializeOwned, R: serde::Serialize> ApplyOn<Vec<A>, A, R> for ToEach {
///     type Argument = ();
///     type Result = Vec<R>;
///
///     fn apply_on(list: &Vec<A>, function: fn(A) -> R, (): ()) -> Vec<R> {
///         list.iter().cloned().map(function).collect()
///     }
/// }
///
/// let square = Method::apply_on::<ToEach, Vec<u32>, u32, u32>(|n| n * n)?;
/// let squares = square.call(Operand::Shared(&vec![2_u32, 3]), codec::encode(&())?.bytes(), Vec::new(), Vec::new())?;
/// assert_eq!(codec::decode::<Vec<u32>>(squares.expect("a result"))?, [4, 9]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait ApplyOn<T, A, R> {
    /// What comes beside the function.
    type Argument: DeserializeOwned;
    /// What it brings.
    type Result: Serialize;

    /// Does it.
    fn apply_on(value: &T, function: fn(A) -> R, argument: Self::Argument) -> Self::Result;
}

/// The kind of its entry beside a message: not the one of functions, which must not be taken for methods.
const TRUSTED_KIND: u64 = u64::from_le_bytes(*b"method  ");

impl Method {
    /// Names a function that makes a value out of its argument.
    ///
    /// # Errors
    ///
    /// It lies in a shared library.
    ///
    /// ```
    /// use procession_core::{Method, Operand, codec};
    ///
    /// let zeros = Method::maker(|length: usize| vec![0_u8; length])?;
    /// let mut place = None;
    /// zeros.call(Operand::New(&mut place), codec::encode(&3_usize)?.bytes(), Vec::new(), Vec::new())?;
    /// assert_eq!(place.expect("a value").downcast_ref(), Some(&vec![0_u8; 3]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn maker<A: DeserializeOwned, T: Any + Send + Sync>(function: fn(A) -> T) -> Result<Method, FunctionError> {
        Method::new(make_thunk::<A, T>, function as *const (), type_name::<fn(A) -> T>())
    }

    /// Names a function that may change the value.
    ///
    /// # Errors
    ///
    /// As [`maker`](Method::maker).
    ///
    /// ```
    /// use procession_core::{Method, Operand, codec};
    ///
    /// let add = Method::exclusive(|total: &mut i64, by: i64| *total += by)?;
    /// let mut total = 40_i64;
    /// add.call(Operand::Exclusive(&mut total), codec::encode(&2_i64)?.bytes(), Vec::new(), Vec::new())?;
    /// assert_eq!(total, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn exclusive<T: Any, A: DeserializeOwned, R: Serialize>(
        function: fn(&mut T, A) -> R,
    ) -> Result<Method, FunctionError> {
        Method::new(exclusive_thunk::<T, A, R>, function as *const (), type_name::<fn(&mut T, A) -> R>())
    }

    /// Names a function that only reads the value.
    ///
    /// # Errors
    ///
    /// As [`maker`](Method::maker).
    ///
    /// ```
    /// use procession_core::{Method, Operand, codec};
    ///
    /// let starts = Method::shared(|text: &String, with: String| text.starts_with(&with))?;
    /// let text = "multiprocessing".to_owned();
    /// let answer = starts.call(Operand::Shared(&text), codec::encode("multi")?.bytes(), Vec::new(), Vec::new())?;
    /// assert!(codec::decode::<bool>(answer.expect("a result"))?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shared<T: Any, A: DeserializeOwned, R: Serialize>(
        function: fn(&T, A) -> R,
    ) -> Result<Method, FunctionError> {
        Method::new(shared_thunk::<T, A, R>, function as *const (), type_name::<fn(&T, A) -> R>())
    }

    /// Names a function that may change the value, or return `None` to be called again later.
    ///
    /// # Errors
    ///
    /// As [`maker`](Method::maker).
    ///
    /// ```
    /// use procession_core::{Method, Operand, codec};
    ///
    /// let pop = Method::conditional(|list: &mut Vec<u8>, (): ()| list.pop())?;
    /// let nothing = codec::encode(&())?;
    /// let mut list = vec![7_u8];
    /// let first = pop.call(Operand::Exclusive(&mut list), nothing.bytes(), Vec::new(), Vec::new())?;
    /// assert_eq!(codec::decode::<u8>(first.expect("a result"))?, 7);
    /// let second = pop.call(Operand::Exclusive(&mut list), nothing.bytes(), Vec::new(), Vec::new())?;
    /// assert!(second.is_none(), "the list is empty: try again later");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn conditional<T: Any, A: DeserializeOwned, R: Serialize>(
        function: fn(&mut T, A) -> Option<R>,
    ) -> Result<Method, FunctionError> {
        Method::new(conditional_thunk::<T, A, R>, function as *const (), type_name::<fn(&mut T, A) -> Option<R>>())
    }

    /// Names a function that may change two values at once.
    ///
    /// # Errors
    ///
    /// As [`maker`](Method::maker).
    ///
    /// ```
    /// use procession_core::{Method, Operand, codec};
    ///
    /// let pay = Method::both(|from: &mut i64, to: &mut i64, sum: i64| { *from -= sum; *to += sum; })?;
    /// let (mut mine, mut yours) = (100_i64, 0_i64);
    /// pay.call(Operand::Both(&mut mine, &mut yours), codec::encode(&30_i64)?.bytes(), Vec::new(), Vec::new())?;
    /// assert_eq!((mine, yours), (70, 30));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn both<T: Any, U: Any, A: DeserializeOwned, R: Serialize>(
        function: fn(&mut T, &mut U, A) -> R,
    ) -> Result<Method, FunctionError> {
        Method::new(both_thunk::<T, U, A, R>, function as *const (), type_name::<fn(&mut T, &mut U, A) -> R>())
    }

    /// Names the copying out of a value: the result is the value itself. The argument is `()`.
    ///
    /// # Errors
    ///
    /// As [`maker`](Method::maker).
    ///
    /// ```
    /// use procession_core::{Method, Operand, codec};
    ///
    /// let copy = Method::snapshot::<Vec<u8>>()?;
    /// let list = vec![3_u8, 1, 4];
    /// let copied = copy.call(Operand::Shared(&list), codec::encode(&())?.bytes(), Vec::new(), Vec::new())?;
    /// assert_eq!(codec::decode::<Vec<u8>>(copied.expect("a result"))?, list);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn snapshot<T: Any + Serialize>() -> Result<Method, FunctionError> {
        // The thunk needs no function; any place in the code will do.
        Method::new(snapshot_thunk::<T>, snapshot_thunk::<T> as *const (), type_name::<fn(&T) -> T>())
    }

    /// Names a function that is not called on the value, but given to it: what is then done is up to `G`.
    ///
    /// # Errors
    ///
    /// As [`maker`](Method::maker).
    ///
    /// ```
    /// use procession_core::{ApplyOn, Method, Operand, codec};
    ///
    /// /// Counts the items for which the function says yes.
    /// struct HowMany;
    ///
    /// impl ApplyOn<Vec<u32>, u32, bool> for HowMany {
    ///     type Argument = ();
    ///     type Result = usize;
    ///
    ///     fn apply_on(list: &Vec<u32>, wanted: fn(u32) -> bool, (): ()) -> usize {
    ///         list.iter().filter(|item| wanted(**item)).count()
    ///     }
    /// }
    ///
    /// let even = Method::apply_on::<HowMany, Vec<u32>, u32, bool>(|n| n % 2 == 0)?;
    /// let count = even.call(Operand::Shared(&vec![1_u32, 2, 4]), codec::encode(&())?.bytes(), Vec::new(), Vec::new())?;
    /// assert_eq!(codec::decode::<usize>(count.expect("a result"))?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn apply_on<G: ApplyOn<T, A, R>, T: Any, A, R>(function: fn(A) -> R) -> Result<Method, FunctionError> {
        Method::new(apply_on_thunk::<G, T, A, R>, function as *const (), type_name::<fn(A) -> R>())
    }

    /// Calls it in this process, with an argument as [`codec::encode`] wrote it. The result is written into `buffer`. A panic
    /// of the function unwinds out of this call.
    ///
    /// # Errors
    ///
    /// See [`MethodError`].
    ///
    /// ```
    /// use procession_core::{Method, Operand, codec};
    ///
    /// let insert = Method::exclusive(|list: &mut Vec<u8>, (at, item): (usize, u8)| list.insert(at, item))?;
    /// let mut list = vec![1_u8, 3];
    /// let argument = codec::encode(&(1_usize, 2_u8))?;
    /// let result = insert.call(Operand::Exclusive(&mut list), argument.bytes(), Vec::new(), Vec::new())?;
    /// codec::decode::<()>(result.expect("what the function returned"))?;
    /// assert_eq!(list, [1, 2, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn call(
        &self,
        target: Operand<'_>,
        argument: &[u8],
        descriptors: impl Into<Handles>,
        buffer: Vec<u8>,
    ) -> Result<Option<Message>, MethodError> {
        self.run(Call { target, argument, descriptors: descriptors.into(), buffer, remains: None })
    }

    /// Calls one that only [reads](Method::shared) a value, as [`call`](Method::call) does, and leaves to the caller what the function has
    /// returned.
    ///
    /// # Errors
    ///
    /// See [`MethodError`].
    ///
    /// ```
    /// use procession_core::codec::{self, Handles};
    /// use procession_core::{Method, PendingDrop};
    ///
    /// let repeat = Method::shared(|text: &String, times: usize| text.repeat(times))?;
    /// let (text, mut remains) = ("ha".to_owned(), PendingDrop::default());
    /// let result = repeat.call_shared(&text, codec::encode(&3_usize)?.bytes(), Handles::new(), &mut remains)?;
    /// assert_eq!(codec::decode::<String>(result)?, "hahaha");
    /// assert!(!remains.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn call_shared(
        &self,
        target: &(dyn Any + Send + Sync),
        argument: &[u8],
        descriptors: Handles,
        remains: &mut PendingDrop,
    ) -> Result<Message, MethodError> {
        let target = Operand::Shared(target);
        let result = self.run(Call { target, argument, descriptors, buffer: Vec::new(), remains: Some(remains) });
        result.map(Option::unwrap_or_default)
    }

    fn run(&self, call: Call<'_>) -> Result<Option<Message>, MethodError> {
        // SAFETY: this is the place of a `Thunk`: names are made by `new`, which takes one, and decoded only from a
        // control link to a process that runs this very image, where `new` made them.
        let thunk = unsafe { std::mem::transmute::<*const (), Thunk>(self.0.thunk()) };
        // Dropped after the thunk, also by a panic: in between the function may make a copy of the process.
        let _copy = EndCopy::here();
        thunk(self.0.function(), call)
    }

    fn new(thunk: Thunk, function: *const (), types: &'static str) -> Result<Method, FunctionError> {
        Name::new(thunk as *const (), function, types).map(Method)
    }
}

impl Serialize for Method {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize_as(TRUSTED_KIND, serializer)
    }
}

impl<'de> Deserialize<'de> for Method {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Method, D::Error> {
        Name::deserialize_as(TRUSTED_KIND, deserializer).map(Method)
    }
}

/// What a call brings: `None` from a conditional method that is not to have happened yet.
type Outcome = Result<Option<Message>, MethodError>;

/// The code between a message and a function, whose address is the first argument.
type Thunk = fn(*const (), Call<'_>) -> Outcome;

/// What a function is called on and with, and a buffer to re-use.
struct Call<'a> {
    target: Operand<'a>,
    argument: &'a [u8],
    descriptors: Handles,
    buffer: Vec<u8>,
    /// Where what the function returns goes, if its caller wants to drop it.
    remains: Option<&'a mut PendingDrop>,
}

fn make_thunk<A: DeserializeOwned, T: Any + Send + Sync>(function: *const (), call: Call<'_>) -> Outcome {
    // SAFETY: `Method::maker` is the only place that pairs this thunk with a function, and it takes a `fn(A) -> T`.
    let function = unsafe { std::mem::transmute::<*const (), fn(A) -> T>(function) };
    // The operand comes before the argument: a name that met the wrong value has not run any code of the argument's type.
    let Operand::New(place) = call.target else { return Err(MethodError::WrongType(type_name::<T>())) };
    *place = Some(Box::new(function(decoded(call.argument, call.descriptors)?)));
    // The value stays where it is. The result says only that it was made.
    encoded(&(), call.buffer)
}

fn exclusive_thunk<T: Any, A: DeserializeOwned, R: Serialize>(function: *const (), call: Call<'_>) -> Outcome {
    // SAFETY: `Method::exclusive` is the only place that pairs this thunk with a function, and it takes this type.
    let function = unsafe { std::mem::transmute::<*const (), fn(&mut T, A) -> R>(function) };
    // Checked before the argument is decoded: the error says that the function was not called.
    let value = value_mut::<T>(call.target)?;
    encoded(&function(value, decoded(call.argument, call.descriptors)?), call.buffer)
}

fn shared_thunk<T: Any, A: DeserializeOwned, R: Serialize>(function: *const (), call: Call<'_>) -> Outcome {
    // SAFETY: `Method::shared` is the only place that pairs this thunk with a function, and it takes this type.
    let function = unsafe { std::mem::transmute::<*const (), fn(&T, A) -> R>(function) };
    let value = value_ref::<T>(&call.target)?;
    let returned = function(value, decoded(call.argument, call.descriptors)?);
    // Encoded first: if that fails, the value is dropped here, and the caller keeps nothing of a call without a result.
    let message = encoded(&returned, call.buffer)?;
    if let Some(remains) = call.remains {
        *remains = PendingDrop::of(returned);
    }
    Ok(message)
}

fn apply_on_thunk<G: ApplyOn<T, A, R>, T: Any, A, R>(function: *const (), call: Call<'_>) -> Outcome {
    // SAFETY: `Method::apply_on` is the only place that pairs this thunk with a function, and it takes a `fn(A) -> R`.
    let function = unsafe { std::mem::transmute::<*const (), fn(A) -> R>(function) };
    let value = value_ref::<T>(&call.target)?;
    encoded(&G::apply_on(value, function, decoded(call.argument, call.descriptors)?), call.buffer)
}

fn snapshot_thunk<T: Any + Serialize>(_: *const (), call: Call<'_>) -> Outcome {
    // Decoded though it says nothing: bytes or descriptors that came with it are an error, as everywhere.
    let () = decoded(call.argument, call.descriptors)?;
    encoded(value_ref::<T>(&call.target)?, call.buffer)
}

fn both_thunk<T: Any, U: Any, A: DeserializeOwned, R: Serialize>(function: *const (), call: Call<'_>) -> Outcome {
    // SAFETY: `Method::both` is the only place that pairs this thunk with a function, and it takes this type.
    let function = unsafe { std::mem::transmute::<*const (), fn(&mut T, &mut U, A) -> R>(function) };
    let Operand::Both(first, second) = call.target else { return Err(MethodError::WrongType(type_name::<(T, U)>())) };
    // Both are looked at before the function runs, so a wrong second value leaves the first one unchanged.
    let first = first.downcast_mut::<T>().ok_or(MethodError::WrongType(type_name::<T>()))?;
    let second = second.downcast_mut::<U>().ok_or(MethodError::WrongType(type_name::<U>()))?;
    encoded(&function(first, second, decoded(call.argument, call.descriptors)?), call.buffer)
}

fn conditional_thunk<T: Any, A: DeserializeOwned, R: Serialize>(function: *const (), call: Call<'_>) -> Outcome {
    // SAFETY: `Method::conditional` is the only place that pairs this thunk with a function, and it takes this type.
    let function = unsafe { std::mem::transmute::<*const (), fn(&mut T, A) -> Option<R>>(function) };
    let value = value_mut::<T>(call.target)?;
    match function(value, decoded(call.argument, call.descriptors)?) {
        Some(result) => encoded(&result, call.buffer),
        // Not an error: the caller asks again when the value has changed.
        None => Ok(None),
    }
}

fn value_mut<T: Any>(target: Operand<'_>) -> Result<&mut T, MethodError> {
    let value = if let Operand::Exclusive(value) = target { value.downcast_mut::<T>() } else { None };
    value.ok_or(MethodError::WrongType(type_name::<T>()))
}

fn value_ref<'a, T: Any>(target: &'a Operand<'_>) -> Result<&'a T, MethodError> {
    let value = match target {
        Operand::Shared(value) => value.downcast_ref::<T>(),
        // A caller that may change the value may also read it.
        Operand::Exclusive(value) => value.downcast_ref::<T>(),
        // A value that is yet to be made cannot be read, and of two it is not known which is meant.
        Operand::New(_) | Operand::Both(..) => None,
    };
    value.ok_or(MethodError::WrongType(type_name::<T>()))
}

fn decoded<A: DeserializeOwned>(argument: &[u8], descriptors: Handles) -> Result<A, MethodError> {
    codec::decode_from(argument, descriptors).map_err(MethodError::Argument)
}

fn encoded<R: Serialize>(result: &R, buffer: Vec<u8>) -> Outcome {
    codec::encode_into(result, buffer).map(Some).map_err(MethodError::Result)
}
#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::control::Control;
    use crate::code::function::Function;

    fn call(method: Method, target: Operand<'_>, argument: &impl Serialize) -> Outcome {
        let argument = codec::encode(argument).unwrap();
        method.call(target, argument.bytes(), Vec::new(), Vec::new())
    }

    #[test]
    fn a_value_is_made_changed_and_read() {
        let make = Method::maker(|n: u32| vec![n]).unwrap();
        let mut place = None;
        call(make, Operand::New(&mut place), &7_u32).unwrap();
        let mut value = place.unwrap();
        let push = Method::exclusive(|list: &mut Vec<u32>, n: u32| list.push(n)).unwrap();
        call(push, Operand::Exclusive(&mut *value), &8_u32).unwrap();
        let sum = Method::shared(|list: &Vec<u32>, (): ()| list.iter().sum::<u32>()).unwrap();
        for target in [true, false] {
            let target = if target { Operand::Shared(&*value) } else { Operand::Exclusive(&mut *value) };
            assert_eq!(codec::decode::<u32>(call(sum, target, &()).unwrap().unwrap()).unwrap(), 15);
        }
    }

    #[test]
    fn a_condition_that_does_not_hold_brings_nothing() {
        let pop = Method::conditional(|list: &mut Vec<u32>, (): ()| list.pop()).unwrap();
        let mut list = vec![3_u32];
        assert!(call(pop, Operand::Exclusive(&mut list), &()).unwrap().is_some());
        assert!(call(pop, Operand::Exclusive(&mut list), &()).unwrap().is_none());
    }

    #[test]
    fn two_values_at_once_and_a_copy_of_one() {
        let swap = Method::both(|a: &mut Vec<u32>, b: &mut u8, n: u8| (a.push(u32::from(*b)), *b = n)).unwrap();
        let (mut list, mut byte) = (vec![1_u32], 2_u8);
        call(swap, Operand::Both(&mut list, &mut byte), &3_u8).unwrap();
        assert_eq!((&list[..], byte), (&[1, 2][..], 3));
        assert!(call(swap, Operand::Both(&mut 1_u8, &mut 2_u8), &3_u8).is_err());
        let copy = Method::snapshot::<Vec<u32>>().unwrap();
        assert_eq!(
            codec::decode::<Vec<u32>>(call(copy, Operand::Shared(&list), &()).unwrap().unwrap()).unwrap(),
            [1, 2]
        );
    }

    #[test]
    fn the_wrong_value_and_the_wrong_way_are_errors() {
        let push = Method::exclusive(|list: &mut Vec<u32>, n: u32| list.push(n)).unwrap();
        let wrong = call(push, Operand::Exclusive(&mut 5_u8), &1_u32).unwrap_err();
        assert!(wrong.to_string().contains("Vec<u32>"));
        assert!(matches!(call(push, Operand::Shared(&Vec::<u32>::new()), &1_u32), Err(MethodError::WrongType(_))));
        assert!(matches!(call(push, Operand::New(&mut None), &1_u32), Err(MethodError::WrongType(_))));
    }

    #[test]
    fn a_name_is_believed_only_from_a_control_link_and_only_as_a_method() {
        let push = Method::exclusive(|list: &mut Vec<u32>, n: u32| list.push(n)).unwrap();
        assert!(codec::encode(&push).unwrap_err().to_string().contains("control link"));
        let (mut here, mut there) = Control::pair().unwrap();
        here.send(&push).unwrap();
        assert_eq!(there.recv::<Method>(None).unwrap(), Some(push));
        here.send(&Function::of(|n: u8| n).unwrap()).unwrap();
        assert!(there.recv::<Method>(None).is_err());
    }
}
