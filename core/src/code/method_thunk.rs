//! The code between a message and a function that works on a value where it is: one kind for each way to lend the value.

use std::any::{Any, type_name};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bytes::codec::{self, Handles, Message};
use crate::code::method::{ApplyOn, MethodError, Operand};
use crate::code::pending_drop::PendingDrop;

/// What a call brings: `None` from a conditional method that is not to have happened yet.
pub(crate) type Outcome = Result<Option<Message>, MethodError>;

/// The code between a message and a function, whose address is the first argument.
pub(crate) type Thunk = fn(*const (), Call<'_>) -> Outcome;

/// What a function is called on and with, and a buffer to re-use.
pub(crate) struct Call<'a> {
    pub(crate) target: Operand<'a>,
    pub(crate) argument: &'a [u8],
    pub(crate) descriptors: Handles,
    pub(crate) buffer: Vec<u8>,
    /// Where what the function returns goes, if its caller wants to drop it.
    pub(crate) remains: Option<&'a mut PendingDrop>,
}

pub(crate) fn make<A: DeserializeOwned, T: Any + Send + Sync>(function: *const (), call: Call<'_>) -> Outcome {
    // SAFETY: `Method::maker` is the only place that pairs this thunk with a function, and it takes a `fn(A) -> T`.
    let function = unsafe { std::mem::transmute::<*const (), fn(A) -> T>(function) };
    let Operand::New(place) = call.target else { return Err(MethodError::WrongType(type_name::<T>())) };
    *place = Some(Box::new(function(decoded(call.argument, call.descriptors)?)));
    encoded(&(), call.buffer)
}

pub(crate) fn exclusive<T: Any, A: DeserializeOwned, R: Serialize>(function: *const (), call: Call<'_>) -> Outcome {
    // SAFETY: `Method::exclusive` is the only place that pairs this thunk with a function, and it takes this type.
    let function = unsafe { std::mem::transmute::<*const (), fn(&mut T, A) -> R>(function) };
    let value = value_mut::<T>(call.target)?;
    encoded(&function(value, decoded(call.argument, call.descriptors)?), call.buffer)
}

pub(crate) fn shared<T: Any, A: DeserializeOwned, R: Serialize>(function: *const (), call: Call<'_>) -> Outcome {
    // SAFETY: `Method::shared` is the only place that pairs this thunk with a function, and it takes this type.
    let function = unsafe { std::mem::transmute::<*const (), fn(&T, A) -> R>(function) };
    let value = value_ref::<T>(&call.target)?;
    let returned = function(value, decoded(call.argument, call.descriptors)?);
    let message = encoded(&returned, call.buffer)?;
    if let Some(remains) = call.remains {
        *remains = PendingDrop::of(returned);
    }
    Ok(message)
}

pub(crate) fn apply_on<G: ApplyOn<T, A, R>, T: Any, A, R>(function: *const (), call: Call<'_>) -> Outcome {
    // SAFETY: `Method::apply_on` is the only place that pairs this thunk with a function, and it takes a `fn(A) -> R`.
    let function = unsafe { std::mem::transmute::<*const (), fn(A) -> R>(function) };
    let value = value_ref::<T>(&call.target)?;
    encoded(&G::apply_on(value, function, decoded(call.argument, call.descriptors)?), call.buffer)
}

pub(crate) fn snapshot<T: Any + Serialize>(_: *const (), call: Call<'_>) -> Outcome {
    let () = decoded(call.argument, call.descriptors)?;
    encoded(value_ref::<T>(&call.target)?, call.buffer)
}

pub(crate) fn both<T: Any, U: Any, A: DeserializeOwned, R: Serialize>(function: *const (), call: Call<'_>) -> Outcome {
    // SAFETY: `Method::both` is the only place that pairs this thunk with a function, and it takes this type.
    let function = unsafe { std::mem::transmute::<*const (), fn(&mut T, &mut U, A) -> R>(function) };
    let Operand::Both(first, second) = call.target else { return Err(MethodError::WrongType(type_name::<(T, U)>())) };
    let first = first.downcast_mut::<T>().ok_or(MethodError::WrongType(type_name::<T>()))?;
    let second = second.downcast_mut::<U>().ok_or(MethodError::WrongType(type_name::<U>()))?;
    encoded(&function(first, second, decoded(call.argument, call.descriptors)?), call.buffer)
}

pub(crate) fn conditional<T: Any, A: DeserializeOwned, R: Serialize>(function: *const (), call: Call<'_>) -> Outcome {
    // SAFETY: `Method::conditional` is the only place that pairs this thunk with a function, and it takes this type.
    let function = unsafe { std::mem::transmute::<*const (), fn(&mut T, A) -> Option<R>>(function) };
    let value = value_mut::<T>(call.target)?;
    match function(value, decoded(call.argument, call.descriptors)?) {
        Some(result) => encoded(&result, call.buffer),
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
        Operand::Exclusive(value) => value.downcast_ref::<T>(),
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
