//! The names of fields and variants, as numbers that travel in their place.
//!
//! The two halves of serde need not agree: variants are numbered with the skipped ones when they are written and without them when
//! they are read, fields may be left out by one half alone, and the reader's lists hold the aliases too. So what was written is known
//! by its names, of which the writer is given those that it writes and the reader those that it can read.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many choices of fields are tried before a struct counts as one that cannot be read.
const MAX_TRIES: u32 = 10_000;

/// How many such choices a thread remembers.
const MAX_KNOWN: usize = 256;

/// A number for a name: the same in each build of each program.
#[inline]
pub(super) fn number(name: &str) -> u32 {
    hash(name.as_bytes())
}

#[inline]
fn hash(bytes: &[u8]) -> u32 {
    // The first and the last eight bytes, which overlap in names below 16: only longer ones need a loop.
    let hash = match (bytes.first_chunk(), bytes.last_chunk()) {
        (Some(first), Some(last)) => {
            let ends = mixed(u64::from_le_bytes(*first), u64::from_le_bytes(*last));
            if bytes.len() > 16 { long(ends, &bytes[8..bytes.len() - 8]) } else { ends }
        }
        _ => short(bytes),
    };
    // The upper half of a product depends on all bits of what was multiplied.
    (mixed(hash, bytes.len() as u64) >> 32) as u32
}

/// Of less than eight bytes.
#[inline]
fn short(bytes: &[u8]) -> u64 {
    match (bytes.first_chunk(), bytes.last_chunk()) {
        (Some(first), Some(last)) => u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last)),
        _ => match bytes {
            [] => 0,
            [a] => u64::from(*a),
            [a, b] => u64::from(*a) << 8 | u64::from(*b),
            [a, b, c, ..] => u64::from(*a) << 16 | u64::from(*b) << 8 | u64::from(*c),
        },
    }
}

/// With what lies between the first and the last bytes.
fn long(hash: u64, between: &[u8]) -> u64 {
    let (chunks, rest) = between.as_chunks();
    let hash = chunks.iter().fold(hash, |hash, chunk| mixed(hash, u64::from_le_bytes(*chunk)));
    rest.iter().fold(hash, |hash, byte| mixed(hash, u64::from(*byte)))
}

#[inline]
fn mixed(hash: u64, more: u64) -> u64 {
    // 2^64 divided by the golden ratio, and the factor and shifts of degski's 64-bit mixer. Both sides must use the
    // same; what is hashed is chosen by the program's author, so it need not withstand attacks.
    let product = (hash ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xd6e8_feb8_6659_fd93);
    let product = (product ^ product >> 32 ^ more).wrapping_mul(0xd6e8_feb8_6659_fd93);
    product ^ product >> 32
}

/// The names of the fields of a struct, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape(u32);

impl Shape {
    /// Of how many bytes the number of a shape is.
    pub(super) const SIZE: usize = 3;

    pub(super) const EMPTY: Self = Self(0x811c_9dc5);

    fn new(fields: &[&str]) -> Self {
        fields.iter().fold(Self::EMPTY, |shape, field| shape.and(number(field)))
    }

    /// Of a type's list, which mostly has been asked for before.
    #[inline]
    pub(super) fn of(fields: &'static [&'static str]) -> Self {
        Self(SHAPES.get(fields, |fields| Self::new(fields).0))
    }

    /// With one more field behind the others, by its number.
    #[inline]
    pub(super) fn and(self, field: u32) -> Self {
        // The factor is from the finalizer of MurmurHash3. Rotated, so that the order of the fields counts.
        let product = (self.0.rotate_left(15) ^ field).wrapping_mul(0x85eb_ca6b);
        Self(product ^ product >> 15)
    }

    #[inline]
    pub(super) fn to_bytes(self) -> [u8; Self::SIZE] {
        // Three bytes: one pair of field lists in 16 million is mixed up, and each struct is a byte shorter than with four.
        let [a, b, c, _] = self.0.to_le_bytes();
        [a, b, c]
    }
}

/// How many numbers of lists, and of names, a process remembers: a power of two.
const MAX_MEMORIZED: usize = 64;

/// Numbers of what a type's code lists, by its place in the program and its length. What shares a place with another is computed anew
/// each time.
///
/// Each is one word, so that all threads can share them: 32 bits for the address, 8 for the length, and 24 for the number. Two tables for
/// each thread would take up a page more of what a fresh copy of the process has to copy.
struct Memo([AtomicU64; MAX_MEMORIZED]);

static SHAPES: Memo = Memo::new();
static NUMBERS: Memo = Memo::new();

impl Memo {
    /// The bits of a number that are remembered: as many as a shape has in a message.
    const NUMBER_BITS: u32 = 24;
    const NUMBER: u32 = (1 << Self::NUMBER_BITS) - 1;

    const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; MAX_MEMORIZED])
    }

    /// Returns the lowest 24 bits of the number.
    #[inline]
    fn get<T>(&self, of: &'static [T], compute: fn(&'static [T]) -> u32) -> u32 {
        // Counted from 2 GiB below the table, so that 32 bits are enough for all that lies in the file of the program.
        let distance = of.as_ptr().addr().wrapping_sub((&raw const SHAPES).addr()).wrapping_add(1 << 31) as u64;
        // Lists are aligned to eight bytes, and names lie one behind another.
        let place = &self.0[((distance ^ distance >> 4) as usize) % MAX_MEMORIZED];
        let key = distance << 8 | (of.len() as u64).min(0xff);
        // Relaxed: the word is all there is. It is 0 where nothing is remembered, and no key is 0: no list lies so far away.
        let known = place.load(Ordering::Relaxed);
        if known >> Self::NUMBER_BITS == key {
            known as u32 & Self::NUMBER
        } else {
            let number = compute(of) & Self::NUMBER;
            Self::remember(place, key, of.len(), number);
            number
        }
    }

    #[cold]
    #[inline(never)]
    fn remember(place: &AtomicU64, key: u64, len: usize, number: u32) {
        // What is longer, or lies in the file of a library, does not fit: then its number is computed each time.
        let word = key << Self::NUMBER_BITS;
        if len < 0xff && word >> Self::NUMBER_BITS == key {
            place.store(word | u64::from(number), Ordering::Relaxed);
        }
    }
}

type Known = HashMap<(usize, usize, [u8; Shape::SIZE]), Rc<[&'static str]>>;

thread_local! {
    /// The choices that have been found, by the address and length of the list and what was written.
    static KNOWN: RefCell<Known> = RefCell::default();
}

/// Those of the fields that were written, where not all were: some of the names are aliases, or a field was left out.
#[cold]
pub(super) fn chosen(fields: &'static [&'static str], written: [u8; Shape::SIZE]) -> Option<Rc<[&'static str]>> {
    let key = (fields.as_ptr() as usize, fields.len(), written);
    if let Some(known) = KNOWN.with_borrow(|known| known.get(&key).cloned()) {
        return Some(known);
    }
    let found: Rc<[&'static str]> = search(fields, written)?.into();
    KNOWN.with_borrow_mut(|known| {
        // All at once: only a program that reads very many forms comes here, and an order of age would cost all others.
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(key, Rc::clone(&found));
    });
    Some(found)
}

/// Tries to leave out no field, then one, and so on, since mostly few are.
fn search(fields: &'static [&'static str], written: [u8; Shape::SIZE]) -> Option<Vec<&'static str>> {
    let mut search = Search { numbers: fields.iter().map(|name| number(name)).collect(), written, tries: MAX_TRIES };
    let mut kept = Vec::new();
    let found = (0..=fields.len()).any(|omitted| search.from(0, Shape::EMPTY, omitted, &mut kept));
    // `from` also returns true when the tries are used up, to end its recursion. That is no match.
    (found && search.tries > 0).then(|| kept.into_iter().rev().map(|at| fields[at]).collect())
}

struct Search {
    numbers: Vec<u32>,
    written: [u8; Shape::SIZE],
    /// How many more may be made.
    tries: u32,
}

impl Search {
    /// Returns whether the fields from the given one on make up what was written, if `omitted` of them are left out. Notes those that are kept, the last
    /// one first. Gives up with `true` when there are no more tries.
    fn from(&mut self, at: usize, shape: Shape, omitted: usize, kept: &mut Vec<usize>) -> bool {
        if self.tries == 0 {
            return true;
        }
        if self.numbers.len() - at == omitted {
            self.tries -= 1;
            return shape.to_bytes() == self.written;
        }
        let found = self.from(at + 1, shape.and(self.numbers[at]), omitted, kept);
        if found {
            kept.push(at);
            return true;
        }
        omitted > 0 && self.from(at + 1, shape, omitted - 1, kept)
    }
}

/// What a variant holds, for the two halves must agree on that as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Unit,
    Newtype,
    Tuple,
    Struct,
}

/// Name and style of a variant in 16 bits, beside its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Label(u16);

impl Label {
    /// Of how many bytes it is.
    pub(super) const SIZE: usize = 2;

    const STYLE: u16 = 3;

    #[inline]
    pub(super) fn new(name: &str, style: Style) -> Self {
        Self(number(name) as u16 & !Self::STYLE | style as u16)
    }

    #[inline]
    pub(super) fn from_bytes(bytes: [u8; Self::SIZE]) -> Self {
        Self(u16::from_le_bytes(bytes))
    }

    #[inline]
    pub(super) fn to_bytes(self) -> [u8; Self::SIZE] {
        self.0.to_le_bytes()
    }

    /// Returns whether the variant has this style, without a look into a table.
    #[inline]
    pub(super) fn has_style(self, style: Style) -> bool {
        self.0 & Self::STYLE == style as u16
    }

    #[cold]
    pub(super) fn style(self) -> Style {
        [Style::Unit, Style::Newtype, Style::Tuple, Style::Struct][usize::from(self.0 & Self::STYLE)]
    }

    #[inline]
    fn names(self, name: &'static str) -> bool {
        let number = NUMBERS.get(name.as_bytes(), hash);
        (number as u16 ^ self.0) & !Self::STYLE == 0
    }

    /// The variant of that name. Mostly it is where it was numbered; where variants are skipped or have aliases, it lies elsewhere.
    #[inline]
    pub(super) fn find(self, variants: &'static [&'static str], index: u32) -> Option<&'static str> {
        // The halves mostly number alike, so the variant at the writer's number is the first to be compared.
        match variants.get(index as usize) {
            Some(name) if self.names(name) => Some(name),
            _ => self.look_for(variants),
        }
    }

    #[cold]
    #[inline(never)]
    fn look_for(self, variants: &'static [&'static str]) -> Option<&'static str> {
        variants.iter().find(|name| self.names(name)).copied()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_that_differ_in_one_letter_have_numbers_of_their_own() {
        let mut names: Vec<String> = (0..40).map(|len| "a".repeat(len)).collect();
        for len in 1..40 {
            names.extend((0..len).map(|at| format!("{}b{}", "a".repeat(at), "a".repeat(len - at - 1))));
        }
        let numbers: HashSet<_> = names.iter().map(|name| number(name)).collect();
        assert_eq!(numbers.len(), names.len());
        let low: HashSet<_> = (0..1000).map(|n| number(&format!("field_{n}")) as u16 >> 2).collect();
        assert!(low.len() > 950, "{}", low.len());
    }

    #[test]
    fn what_was_written_is_found_among_the_fields() {
        const FIELDS: &[&str] = &["a", "b", "bee", "c", "d", "e", "f"];
        for written in [&["a", "b", "c", "d", "e", "f"][..], &["a", "bee", "f"], &[], &["f"], FIELDS] {
            assert_eq!(chosen(FIELDS, Shape::new(written).to_bytes()).as_deref(), Some(written));
        }
        for other in [&["a", "x"][..], &["b", "a"], &["a", "a"]] {
            assert_eq!(chosen(FIELDS, Shape::new(other).to_bytes()), None);
        }
    }

    #[test]
    fn what_is_remembered_is_not_mixed_up() {
        const TEXT: &str = "Middle";
        static BYTES: [u8; 600] = [7; 600];
        let memo = Memo::new();
        for _ in 0..2 {
            for len in 0..=TEXT.len() {
                let name = &TEXT.as_bytes()[..len];
                assert_eq!(memo.get(name, hash), hash(name) & Memo::NUMBER);
            }
            for len in [254, 255, 256, 512, 600] {
                assert_eq!(memo.get(&BYTES[..len], |list| list.len() as u32), len as u32);
            }
            // Far from the program's own file.
            let leaked: &'static [u8] = Box::leak(vec![1, 2, 3].into_boxed_slice());
            assert_eq!(memo.get(leaked, hash), hash(leaked) & Memo::NUMBER);
        }
    }

    #[test]
    fn a_search_without_end_is_given_up() {
        const MANY: &[&str] = &["x"; 64];
        assert_eq!(chosen(MANY, Shape::new(&["y"]).to_bytes()), None);
    }

    #[test]
    fn a_variant_is_found_where_it_lies() {
        const VARIANTS: &[&str] = &["Low", "Mid", "Middle", "High"];
        assert_eq!(Label::new("High", Style::Unit).find(VARIANTS, 2), Some("High"));
        assert_eq!(Label::new("Low", Style::Tuple).find(VARIANTS, 0), Some("Low"));
        assert_eq!(Label::new("Hidden", Style::Unit).find(VARIANTS, 1), None);
        let label = Label::from_bytes(Label::new("Low", Style::Struct).to_bytes());
        assert_eq!(label.style(), Style::Struct);
    }
}
