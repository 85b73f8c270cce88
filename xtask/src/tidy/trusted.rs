//! The rule about names of functions: few files decode them, so that a reviewer knows where a number becomes a function pointer.

use super::problem::Problem;
use super::tokens::is_word;
use super::tree::Tree;

/// What decodes a message in which names of functions are believed.
const DECODES: &str = "decode_trusted";

/// The files that may name it: the codec that has it, and the two links that only processes of one executable share.
const ALLOWED: &[&str] = &[
    "core/src/bytes/codec/decode.rs",
    "core/src/bytes/codec/mod.rs",
    "core/src/code/control.rs",
    "core/src/code/sealed/control.rs",
];

pub(super) fn trusted(tree: &Tree) -> Vec<Problem> {
    let others = tree.sources.iter().filter(|source| !ALLOWED.contains(&source.path.as_str()));
    let text = "names of functions are believed on control links only: receive the value over one, or use `decode`";
    others.flat_map(|source| source.scan(|rest| is_word(&rest[0], DECODES).then(|| text.into()))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tree::sample;
    use super::*;

    #[test]
    fn names_are_decoded_in_their_places() {
        let text = "use crate::bytes::codec::decode_trusted; fn f() { codec::decode_trusted(message) }";
        assert!(trusted(&sample([("core/src/code/sealed/control.rs", text)])).is_empty());
        assert_eq!(trusted(&sample([("core/src/bytes/sealed/stream.rs", text)])).len(), 2);
        assert!(trusted(&sample([("core/src/bytes/link.rs", "/// Not by `decode_trusted`.\nfn f() {}")])).is_empty());
    }
}
