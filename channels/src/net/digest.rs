//! The digests that a handshake may use, as keyed hashes (HMAC, RFC 2104).

use hmac::digest::Digest as Hash;
use hmac::digest::block_api::BlockSizeUser;
use hmac::{KeyInit, Mac, SimpleHmac};

/// One of the digests that Python 3.12 and newer allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Digest {
    Md5,
    Sha256,
    Sha384,
    Sha3_256,
    Sha3_384,
}

impl Digest {
    const ALL: [Digest; 5] = [Digest::Md5, Digest::Sha256, Digest::Sha384, Digest::Sha3_256, Digest::Sha3_384];

    /// Returns the name, as Python's `hashlib` spells it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Digest::Md5 => "md5",
            Digest::Sha256 => "sha256",
            Digest::Sha384 => "sha384",
            Digest::Sha3_256 => "sha3_256",
            Digest::Sha3_384 => "sha3_384",
        }
    }

    pub(super) fn named(name: &[u8]) -> Option<Digest> {
        Digest::ALL.into_iter().find(|digest| digest.name().as_bytes() == name)
    }

    /// Returns the keyed hash of a message.
    pub(super) fn mac(self, key: &[u8], message: &[u8]) -> Vec<u8> {
        match self {
            Digest::Md5 => finish(keyed::<md5::Md5>(key, message)),
            Digest::Sha256 => finish(keyed::<sha2::Sha256>(key, message)),
            Digest::Sha384 => finish(keyed::<sha2::Sha384>(key, message)),
            Digest::Sha3_256 => finish(keyed::<sha3::Sha3_256>(key, message)),
            Digest::Sha3_384 => finish(keyed::<sha3::Sha3_384>(key, message)),
        }
    }

    /// Returns whether this is the keyed hash of the message, in a time that does not depend on where it differs.
    pub(super) fn verify(self, key: &[u8], message: &[u8], mac: &[u8]) -> bool {
        match self {
            Digest::Md5 => keyed::<md5::Md5>(key, message).verify_slice(mac).is_ok(),
            Digest::Sha256 => keyed::<sha2::Sha256>(key, message).verify_slice(mac).is_ok(),
            Digest::Sha384 => keyed::<sha2::Sha384>(key, message).verify_slice(mac).is_ok(),
            Digest::Sha3_256 => keyed::<sha3::Sha3_256>(key, message).verify_slice(mac).is_ok(),
            Digest::Sha3_384 => keyed::<sha3::Sha3_384>(key, message).verify_slice(mac).is_ok(),
        }
    }
}

fn keyed<D: Hash + BlockSizeUser>(key: &[u8], message: &[u8]) -> SimpleHmac<D> {
    let mac = <SimpleHmac<D> as KeyInit>::new_from_slice(key).expect("HMAC takes keys of every length");
    mac.chain_update(message)
}

fn finish(mac: impl Mac) -> Vec<u8> {
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The response of Python's own code, with the key `swordfish`.
    #[test]
    fn the_published_vectors() {
        let vectors = [
            (Digest::Md5, "50414b32849bca3de057f460999c55a0"),
            (Digest::Sha256, "8119a92a3002e7406e456db3a4469f837cc0e47c4dfdfca1a3698dde0738df5b"),
            (
                Digest::Sha384,
                "7ce4742f6411dc4b72dc70e8d0c8cc6ba093b3f197250fe458e746eedeba1d10\
                 1a33ec22975e267fc7c587b1123fce79",
            ),
            (Digest::Sha3_256, "3e4935294d23ba8b19f231777e3954b9e2f52a83604bac6ac8710186f7eb8ad9"),
            (
                Digest::Sha3_384,
                "1fd7ef60581f1f4e130faae3f08ad7788ce6885150dedc90e5dd147e573abaf0\
                 744e9faf9bb0c7ee2e2c1283777cd8b2",
            ),
        ];
        for (digest, expected) in vectors {
            let message: Vec<u8> = format!("{{{}}}", digest.name()).bytes().chain(0..40).collect();
            let mac = digest.mac(b"swordfish", &message);
            assert_eq!(hex(&mac), expected, "{digest:?}");
            assert!(digest.verify(b"swordfish", &message, &mac));
            assert!(!digest.verify(b"sawfish", &message, &mac));
            assert!(!digest.verify(b"swordfish", &message, &mac[1..]));
            assert_eq!(Digest::named(digest.name().as_bytes()), Some(digest));
        }
        assert_eq!(hex(&Digest::Md5.mac(b"swordfish", &Vec::from_iter(0..20))), "628cfa2066636e7b2a499b9ffaef7cf1");
    }
}
