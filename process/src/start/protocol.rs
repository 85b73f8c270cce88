//! The messages to an executed child or server, and the replies of a server.
//!
//! ```text
//! owner                         server                        copy
//!   Role::Server ─────────────►
//!      ◄───────── Ready | Refused
//!   Copy(job, control) ───────►   copies itself ───────────►  sets itself up as the job says
//!      ◄────────────────────────────── Started | Refused, over the control link of the copy
//!   Explain ──────────────────►                               only where no `Started` has come in time
//!      ◄───────── Forked | Failed
//! ```
//!
//! An executed child gets `Role::Child`, and then its job, over the one link that it inherits.

use procession_core::Image;
use procession_core::codec::Descriptor;
use serde::{Deserialize, Serialize};

/// The role of an executed child: its first message.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Role {
    /// A child: its next message is its job.
    Child,
    /// A server, for a program of this image, with the end of a lifeline: a server that is stopped does not see the end of its link.
    Server(Image, Descriptor),
}

/// A request of the owner.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order<J, C> {
    /// A copy, which becomes the child at the other end of this control link and does this job. There is no reply: the
    /// child itself answers over its link, or the end of that link says that there is no child.
    ///
    /// The job is read here and not by the copy, whose memory is not yet mapped: each page that it touches costs it
    /// microseconds.
    Copy(J, C),
    /// Asks for the outcome of the last copy.
    Explain,
}

/// The replies of the server: one when it is up, then one to each [`Order::Explain`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// It waits for orders.
    Ready,
    /// It cannot serve, for this reason.
    Refused(String),
    /// The last copy has this number.
    Forked(u32),
    /// There is no last copy, for this error number.
    Failed(i32),
}
