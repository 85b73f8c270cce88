//! The calls that led to a panic: recorded as addresses, and named only when they are read.
//!
//! Resolving the names costs milliseconds and megabytes; the addresses cost microseconds. They are relative to where the program was
//! loaded, so that every process with the same image can name them.
//!
//! An address is recorded as the distance from the start of the image. Where the compiler has inlined calls, one address stands
//! for several of them; an address in a shared library has no name at all.

use std::env;
use std::fmt::Write;
use std::sync::OnceLock;

use procession_core::Image;
use procession_core::os::backtrace;
use serde::{Deserialize, Serialize};

/// The maximum number of calls, the innermost ones. More cost a deep recursion time, and 8 bytes each in the message.
const MAX_CALLS: usize = 128;

/// The value for an address outside the code of the program.
const ELSEWHERE: u64 = u64::MAX;

/// Addresses of calls.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Frames {
    /// The image of the program.
    image: u64,
    /// The distances from the start of the image, innermost call first; [`ELSEWHERE`] outside of it.
    places: Vec<u64>,
    /// The names, once they were asked for. Another process looks them up itself.
    #[serde(skip)]
    text: OnceLock<String>,
}

/// One call, with its name.
#[derive(Default)]
struct Call {
    name: Option<String>,
    place: Option<String>,
}

impl Frames {
    /// Records the calls of this thread; none where the environment says so.
    pub(super) fn capture() -> Frames {
        if setting() == Some(false) {
            return Frames::default();
        }
        let mut room = [0; MAX_CALLS];
        let count = backtrace::capture(&mut room);
        let image = Image::own();
        let places = room[..count].iter().map(|address| image.offset(*address).unwrap_or(ELSEWHERE)).collect();
        Frames { image: image.mark(), places, text: OnceLock::new() }
    }

    /// Returns the text, in the format of the standard library.
    pub(super) fn text(&self) -> &str {
        self.text.get_or_init(|| if self.image == Image::own().mark() { self.named() } else { self.numbered() })
    }

    /// Returns the text without names: for the panic of another program, and without the feature `backtrace`.
    fn numbered(&self) -> String {
        let calls = self.places.iter().map(|place| match *place {
            ELSEWHERE => "in a shared library".to_owned(),
            offset => format!("image+{offset:#x}"),
        });
        listed(calls.map(|name| Call { name: Some(name), place: None }))
    }

    #[cfg(not(feature = "backtrace"))]
    fn named(&self) -> String {
        self.numbered()
    }

    #[cfg(feature = "backtrace")]
    fn named(&self) -> String {
        let calls: Vec<Call> = self.places.iter().flat_map(|place| calls_at(*place)).collect();
        // The calls before the mark of the standard library belong to the panic machinery.
        let is_end = |call: &Call| call.name.as_deref().is_some_and(|name| name.contains("__rust_end_short_backtrace"));
        let begin = calls.iter().position(is_end).map_or(0, |at| at + 1);
        listed(calls.into_iter().skip(begin))
    }
}

impl PartialEq for Frames {
    fn eq(&self, other: &Frames) -> bool {
        (self.image, &self.places) == (other.image, &other.places)
    }
}

impl Eq for Frames {}

/// Returns whether backtraces are wanted, as the standard library reads the environment; `None` without a setting.
pub(super) fn setting() -> Option<bool> {
    let value = env::var_os("RUST_LIB_BACKTRACE").or_else(|| env::var_os("RUST_BACKTRACE"))?;
    Some(value != "0")
}

/// Returns the functions at one address: several where the compiler has inlined them.
#[cfg(feature = "backtrace")]
fn calls_at(place: u64) -> Vec<Call> {
    let mut calls = Vec::new();
    if let Some(address) = Image::own().address(place) {
        ::backtrace::resolve(std::ptr::without_provenance_mut(address), |symbol| calls.push(Call::of(symbol)));
    }
    if calls.is_empty() {
        calls.push(Call::default());
    }
    calls
}

#[cfg(feature = "backtrace")]
impl Call {
    fn of(symbol: &::backtrace::Symbol) -> Call {
        // Without the hash at the end of mangled names.
        let name = symbol.name().map(|name| format!("{name:#}"));
        let line = |file: &std::path::Path| Some(format!("{}:{}", file.display(), symbol.lineno()?));
        Call { name, place: symbol.filename().and_then(line) }
    }
}

fn listed(calls: impl Iterator<Item = Call>) -> String {
    let mut text = String::new();
    for (number, Call { name, place }) in calls.enumerate() {
        // Writing into a `String` does not fail.
        let _written = writeln!(text, "{number:4}: {}", name.as_deref().unwrap_or("<unknown>"));
        if let Some(place) = place {
            let _written = writeln!(text, "             at {place}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_this_program_have_names_and_those_of_others_numbers() {
        let mut frames = Frames::capture();
        if cfg!(feature = "backtrace") && setting() != Some(false) {
            assert!(frames.text().contains("frames_of_this_program_have_names"), "{}", frames.text());
        }
        frames = Frames { image: frames.image.wrapping_add(1), places: vec![16, ELSEWHERE], text: OnceLock::new() };
        assert_eq!(frames.text(), "   0: image+0x10\n   1: in a shared library\n");
    }

    #[test]
    fn what_another_process_says_of_places_is_only_looked_up() {
        let places = vec![0, 1, u64::MAX - 1, 1 << 60];
        let frames = Frames { image: Image::own().mark(), places, text: OnceLock::new() };
        assert_eq!(frames.text().lines().count(), 4, "{}", frames.text());
    }
}
