//! The sending half of a [`Connection`]: calls that may wait for room, and notifications that must go out in any case.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, MutexGuard, TryLockError};
use std::time::Instant;

use procession_core::codec::Message;
use procession_core::os::mutex::lock;

use super::connection::Connection;
use super::limit::SendLimit;
use super::reply_reader::ReplyReader;
use super::request::{MethodRef, Request, Sent};
use super::request_sender::{RequestSender, not_over_a_network};
use crate::wire::claims::ClaimSlot;
use crate::wire::error::CallError;
use crate::wire::protocol::{ControlMessage, RequestHeader, RequestKind};
use crate::wire::tuning::{SEND_RETRY_INTERVAL, SEND_SLICE};

impl Connection {
    /// Calls without waiting for more than room to send it, until then. It can be taken back later if there is a limit, or
    /// there may be one.
    pub(crate) fn post(
        self: &Arc<Connection>,
        request: &Request<'_>,
        argument: Message,
        deadline: Option<Instant>,
    ) -> Result<Sent, CallError> {
        let limit = SendLimit::of(deadline);
        let mut sent = self.expect(limit.is_limited() || request.may_be_limited);
        // So that an object which is made after its caller has given up can be given back.
        sent.makes = matches!(request.kind, RequestKind::Make | RequestKind::Open);
        let Request { kind, target, .. } = *request;
        let header = RequestHeader { kind, method: 0, target, number: sent.number, slot: sent.slot };
        match self.transmit(request.method_ref, argument, header, limit) {
            Ok(true) => Ok(sent),
            failed => {
                // What was posted and is not out yet must not be done when it arrives.
                self.withdraw(sent);
                self.replies.end(sent.number);
                failed.and(Err(CallError::Timeout { started: false }))
            }
        }
    }

    /// Calls, and wants no answer. If there is no room for it now, it goes out when there is.
    pub(crate) fn notify(self: &Arc<Connection>, request: &Request<'_>, argument: Message) -> Result<(), CallError> {
        self.notify_by(request, argument, RequestSender::send_or_queue)
    }

    /// Sends a notification that the manager may read together with the next message of this process, or its end.
    pub(crate) fn notify_lazily(
        self: &Arc<Connection>,
        request: &Request<'_>,
        argument: Message,
    ) -> Result<(), CallError> {
        self.notify_by(request, argument, RequestSender::send_lazily)
    }

    /// Sends a call without a number, in the way that `send` says.
    fn notify_by(
        self: &Arc<Connection>,
        request: &Request<'_>,
        argument: Message,
        send: impl FnOnce(&mut RequestSender, &ReplyReader, Vec<u8>) -> Result<(), CallError>,
    ) -> Result<(), CallError> {
        let (payload, descriptors) = argument.into_parts();
        let mut bytes = payload.into_vec();
        let mut sender = self.sender()?;
        if !descriptors.is_empty() {
            return Err(not_over_a_network());
        }
        let method = sender.number_of_which(&self.replies, request.method_ref)?;
        let Request { kind, target, .. } = *request;
        // Number 0: the manager sends no reply.
        RequestHeader { kind, method, target, number: 0, slot: ClaimSlot::default() }.append_to(&mut bytes);
        send(&mut sender, &self.replies, bytes)?;
        self.spawn_flusher(sender);
        Ok(())
    }

    /// Sends a call. Returns whether it was in time; if not, the manager will do nothing.
    fn transmit(
        self: &Arc<Connection>,
        method_ref: MethodRef,
        argument: Message,
        mut header: RequestHeader,
        mut limit: SendLimit,
    ) -> Result<bool, CallError> {
        let (payload, descriptors) = argument.into_parts();
        let (mut bytes, mut is_whole) = (payload.into_vec(), false);
        loop {
            // The lock is given up after each attempt, so that threads with an earlier deadline get their turn.
            let Some(mut sender) = self.sender_until(&mut limit)? else { return Ok(false) };
            if sender.flush_backlog(&self.replies, SEND_SLICE)? {
                // The header ends the frame, once: it names a learned method, and a second attempt must not add it again.
                if !is_whole {
                    header.method = sender.number_of_which(&self.replies, method_ref)?;
                    header.append_to(&mut bytes);
                    is_whole = true;
                }
                if !descriptors.is_empty() {
                    if sender.is_remote() {
                        return Err(not_over_a_network());
                    }
                    // The link keeps what does not fit, so what was posted counts as sent: there is no second attempt.
                    sender.send_control(&self.replies, &ControlMessage::Frame(&Message::new(bytes, descriptors)))?;
                    self.spawn_flusher(sender);
                    return Ok(true);
                }
                if sender.try_send(&self.replies, &bytes, SEND_SLICE)? {
                    self.spawn_flusher(sender);
                    return Ok(true);
                }
            }
            // Between two attempts other threads may send.
            drop(sender);
            if limit.is_over() {
                return Ok(false);
            }
        }
    }

    /// Numbers a call, and expects its reply. One that is limited gets a word, marked as sent, while there are any.
    pub(super) fn expect(&self, is_limited: bool) -> Sent {
        // Relaxed: only the uniqueness of the number counts.
        let number = self.calls.fetch_add(1, Relaxed) + 1;
        let slot = self.replies.expect(number, is_limited);
        if let (Some(claims), true) = (&self.claims, slot != ClaimSlot::default()) {
            claims.mark_sent(slot, number);
        }
        Sent { number, slot, makes: false }
    }

    /// Locks the sending half, in the process that the connection belongs to.
    pub(super) fn sender(&self) -> Result<MutexGuard<'_, RequestSender>, CallError> {
        self.check_owner()?;
        Ok(lock(&self.sender))
    }

    /// Locks the sender within the limit. Each thread holds it for a moment only.
    fn sender_until(&self, limit: &mut SendLimit) -> Result<Option<MutexGuard<'_, RequestSender>>, CallError> {
        if !limit.is_limited() {
            return self.sender().map(Some);
        }
        self.check_owner()?;
        loop {
            match self.sender.try_lock() {
                Ok(sender) => return Ok(Some(sender)),
                Err(TryLockError::Poisoned(sender)) => return Ok(Some(sender.into_inner())),
                Err(TryLockError::WouldBlock) if limit.is_over() => return Ok(None),
                Err(TryLockError::WouldBlock) => std::thread::sleep(SEND_RETRY_INTERVAL),
            }
        }
    }

    /// Starts a thread that sends the backlog.
    fn spawn_flusher(self: &Arc<Connection>, mut sender: MutexGuard<'_, RequestSender>) {
        // One thread at most, and only while something waits.
        if !sender.has_backlog() || sender.has_flusher {
            return;
        }
        let this = Arc::clone(self);
        let see_to_it = move || {
            loop {
                let Ok(mut sender) = this.sender() else { return };
                // All of it is out, or the connection is lost. Both are the end of this thread.
                if !matches!(sender.flush_backlog(&this.replies, SEND_SLICE), Ok(false)) {
                    sender.has_flusher = false;
                    return;
                }
                drop(sender);
                std::thread::sleep(SEND_RETRY_INTERVAL);
            }
        };
        // Without a thread it goes out before the next call.
        sender.has_flusher = std::thread::Builder::new().name("procession-backlog".to_owned()).spawn(see_to_it).is_ok();
    }

    /// Sends a message over the link. What finds no room goes out later.
    pub(super) fn send(self: &Arc<Connection>, signal: &ControlMessage<&Message>) -> Result<(), CallError> {
        let mut sender = self.sender()?;
        sender.send_control(&self.replies, signal)?;
        self.spawn_flusher(sender);
        Ok(())
    }
}
