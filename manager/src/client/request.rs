//! [`Request`]: the subject of a call, and [`Sent`], by which its reply is waited for.

use procession_core::Method;

use crate::wire::claims::ClaimSlot;
use crate::wire::ids::ObjectId;
use crate::wire::protocol::RequestKind;

/// The method that is called.
#[derive(Clone, Copy, Debug)]
pub(crate) enum MethodRef {
    None,
    Named(Method),
    /// By its number in a registry.
    #[cfg_attr(not(feature = "remote"), expect(dead_code, reason = "only other programs number methods"))]
    Number(u32),
}

/// The subject of a call.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) kind: RequestKind,
    /// The object, or what else the kind says.
    pub(crate) target: u64,
    pub(crate) method_ref: MethodRef,
    /// The objects that it may have to wait for.
    pub(crate) objects: &'a [ObjectId],
    /// Whether its reply may be waited for with a limit after it was sent.
    pub(crate) may_be_limited: bool,
}

impl<'a> Request<'a> {
    pub(crate) fn new(kind: RequestKind, target: u64, method_ref: MethodRef, objects: &'a [ObjectId]) -> Request<'a> {
        Request { kind, target, method_ref, objects, may_be_limited: false }
    }

    /// Returns the request with a claim, because its reply may be waited for with a limit later.
    pub(crate) fn waited_for_later(self) -> Request<'a> {
        Request { may_be_limited: true, ..self }
    }
}

/// A call that was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    /// The number of the call on its connection, counted from 1.
    pub(super) number: u64,
    /// The word by which it can be taken back, if it has one.
    pub(super) slot: ClaimSlot,
    /// Whether it makes an object.
    pub(super) makes: bool,
}
