//! [`Arrivals`]: descriptors that have come over a link, for frames that are not complete yet.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;

use nix::libc;

use crate::bytes::frame::FrameDecoder;
use crate::bytes::link_error::LinkError;
use crate::bytes::outgoing::{DESCRIPTORS_A_PIECE, SPILLED};
use crate::os::limits;
use crate::os::passing::Piece;

/// Pieces with descriptors, in the order in which they have come. Each belongs to one frame.
#[derive(Debug, Default)]
pub(crate) struct Arrivals(VecDeque<Piece>);

impl Arrivals {
    pub(crate) fn push(&mut self, mut piece: Piece) {
        if piece.is_cut {
            // Their message is lost. Kept until all of it is here, they would take the room of the next one's.
            piece.descriptors.clear();
        }
        // A cut piece is kept even if it is empty: it holds the place of its frame in the order of the pieces.
        if !piece.descriptors.is_empty() || piece.is_cut {
            self.0.push_back(piece);
        }
    }

    /// Errs if more is here than what has arrived of the next frame can be the reason for.
    pub(crate) fn refuse_strays(&self, incoming: &FrameDecoder) -> Result<(), LinkError> {
        if self.0.is_empty() {
            return Ok(());
        }
        // As long as the header is not complete, each of its bytes may have brought a piece.
        let max = incoming.begun().map_or_else(|bytes| bytes, |count| pieces_of(usize::from(count & !SPILLED)));
        if self.0.len() > max {
            return Err(LinkError::Garbled("descriptors that it has not announced".to_owned()));
        }
        Ok(())
    }

    /// Takes the descriptors of a frame. It takes them all, so that those of the next one come next, whatever is wrong with these.
    pub(crate) fn take(&mut self, wanted: usize) -> Result<Vec<OwnedFd>, LinkError> {
        let (mut taken, mut is_cut, mut is_wrong) = (Vec::new(), false, false);
        for number in 0..pieces_of(wanted) {
            let size = (wanted - number * DESCRIPTORS_A_PIECE).min(DESCRIPTORS_A_PIECE);
            match self.0.pop_front() {
                Some(piece) if piece.is_cut && piece.descriptors.len() < size => is_cut = true,
                Some(piece) if piece.descriptors.len() == size => taken.extend(piece.descriptors),
                _ => is_wrong = true,
            }
        }
        if is_wrong {
            return Err(LinkError::Garbled(format!("not the {wanted} descriptors that it announced")));
        }
        if is_cut { Err(LinkError::Limit(lost(wanted))) } else { Ok(taken) }
    }
}

/// Returns the number of pieces in which `count` descriptors travel.
fn pieces_of(count: usize) -> usize {
    count.div_ceil(DESCRIPTORS_A_PIECE)
}

#[cold]
fn lost(wanted: usize) -> String {
    let full = io::Error::from_raw_os_error(libc::EMFILE);
    let why = limits::explain(&full).unwrap_or_default();
    format!("a message arrived without some of its {wanted} descriptors, and is lost: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(descriptors: usize) -> Piece {
        let one = || OwnedFd::from(std::fs::File::open("/dev/null").expect("a descriptor"));
        Piece { count: 1, descriptors: (0..descriptors).map(|_| one()).collect(), is_cut: false }
    }

    #[test]
    fn a_frame_with_a_wrong_piece_leaves_the_next_frame_its_own() {
        let mut arrivals = Arrivals::default();
        // The first of two pieces is too short. Behind them comes the one of the next frame.
        for count in [DESCRIPTORS_A_PIECE - 1, 2, 1] {
            arrivals.push(piece(count));
        }
        assert!(matches!(arrivals.take(DESCRIPTORS_A_PIECE + 2), Err(LinkError::Garbled(_))));
        assert_eq!(arrivals.take(1).expect("its own").len(), 1);
    }
}
