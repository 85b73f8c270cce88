//! [`Image`]: which program this process runs, and where in it a function lies.
//!
//! Two processes of one program may be loaded at different addresses, so a function is named by its distance from where
//! the program was loaded. The distance means something only to a process that runs the very same image: [`Image`] is
//! what the two compare before the first call.

use std::ffi::c_void;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::OnceLock;

use nix::libc;
use serde::{Deserialize, Serialize};

/// The identity of this image: equal only in processes that run the same program, bit by bit.
///
/// ```
/// use procession_core::Image;
///
/// assert_eq!(Image::own(), Image::own());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// The linker's build id where there is one, else which file it is and when it was written.
    identity: Vec<u8>,
    /// The bounds of its code, relative to where it is loaded.
    code: Vec<(u64, u64)>,
}

impl Image {
    /// The image that this process runs.
    ///
    /// ```
    /// use procession_core::Image;
    ///
    /// assert_eq!(Image::own(), Image::own());
    /// ```
    #[must_use]
    pub fn own() -> &'static Image {
        &Loaded::own().image
    }

    /// A number that differs between images, as good as certainly, for those who need not believe it.
    ///
    /// ```
    /// use procession_core::Image;
    ///
    /// assert_eq!(Image::own().mark(), Image::own().mark());
    /// ```
    #[must_use]
    pub fn mark(&self) -> u64 {
        // FNV-1a, of 64 bits.
        let bytes = self.identity.iter();
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
    }

    /// How far an address of this process lies from where the program was loaded; `None` when there is no code of the program.
    ///
    /// ```
    /// use procession_core::Image;
    ///
    /// let here = std::hint::black_box(Image::own as fn() -> &'static Image);
    /// let offset = Image::own().offset(here as usize).expect("code of this program");
    /// assert_eq!(Image::own().address(offset), Some(here as usize));
    /// ```
    #[must_use]
    pub fn offset(&self, address: usize) -> Option<u64> {
        let offset = (address as u64).wrapping_sub(Loaded::own().base);
        self.has_code_at(offset).then_some(offset)
    }

    /// The address of what lies at this distance from where the program was loaded; `None` when there is no code of the program.
    ///
    /// ```
    /// assert_eq!(procession_core::Image::own().address(u64::MAX), None);
    /// ```
    #[must_use]
    pub fn address(&self, offset: u64) -> Option<usize> {
        let address = usize::try_from(Loaded::own().base.wrapping_add(offset)).ok()?;
        self.has_code_at(offset).then_some(address)
    }
}

/// The program that `/proc/self/exe` leads to, where that is not this image but what runs it: the loader, started with this
/// program as its argument, an emulator, Valgrind. Executing it would run something else.
pub(crate) fn run_by_another() -> Option<PathBuf> {
    static OTHER: OnceLock<Option<PathBuf>> = OnceLock::new();
    OTHER.get_or_init(find_other).clone()
}

fn find_other() -> Option<PathBuf> {
    let maps = std::fs::read("/proc/self/maps").ok()?;
    let (link, file) = (std::fs::read_link("/proc/self/exe").ok()?, std::fs::metadata("/proc/self/exe").ok()?);
    let (number, path) = mapped_file(&maps, Loaded::own().start)?;
    // File systems in layers may tell the number of another layer, so that one of the two is enough.
    (file.ino() != number && link.as_os_str().as_bytes() != path).then_some(link)
}

/// The number and the path of the file that is mapped at an address; `None` where it is no file.
fn mapped_file(maps: &[u8], address: u64) -> Option<(u64, &[u8])> {
    maps.split(|byte| *byte == b'\n').find_map(|line| {
        let mut fields = line.splitn(6, |byte| *byte == b' ');
        let (range, number) = (std::str::from_utf8(fields.next()?).ok()?, fields.nth(3)?);
        let (start, end) = range.split_once('-')?;
        // The addresses are hexadecimal without a prefix; the number of the file is decimal.
        let bound = |text| u64::from_str_radix(text, 16).ok();
        let path = fields.next()?.trim_ascii_start();
        // Memory without a file has no path or one in brackets.
        let inside = (bound(start)?..bound(end)?).contains(&address) && path.starts_with(b"/");
        inside.then_some((std::str::from_utf8(number).ok()?.parse().ok()?, path))
    })
}

/// The running image, and where it was loaded.
struct Loaded {
    base: u64,
    /// Where its first segment lies.
    start: u64,
    /// Its table of constructors: where it lies, and how many bytes it has.
    constructors: (u64, u64),
    image: Image,
}

impl Loaded {
    fn own() -> &'static Loaded {
        static OWN: OnceLock<Loaded> = OnceLock::new();
        OWN.get_or_init(Loaded::look)
    }

    fn look() -> Loaded {
        let mut found =
            Loaded { base: 0, start: 0, constructors: (0, 0), image: Image { identity: Vec::new(), code: Vec::new() } };
        // SAFETY: the callback has the required signature and `found` lives across the call.
        unsafe { libc::dl_iterate_phdr(Some(first_object), (&raw mut found).cast()) };
        // Linked without a build id: then the file itself must do.
        if found.image.identity.is_empty() {
            found.image.identity = file_identity();
        }
        found
    }
}

/// A place in the code of this image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place(usize);

impl Place {
    /// Where a function lies; `None` when that is not in the code of the main program.
    pub(crate) fn of(function: *const ()) -> Option<Place> {
        // Exposed, because on the way back a pointer is made of the bare number.
        let place = Place(function.expose_provenance());
        Loaded::own().image.has_code_at(place.offset()).then_some(place)
    }

    /// The place at this distance from where the program was loaded; `None` when there is no code.
    pub(crate) fn at(offset: u64) -> Option<Place> {
        let here = Loaded::own();
        let address = usize::try_from(here.base.wrapping_add(offset)).ok()?;
        here.image.has_code_at(offset).then_some(Place(address))
    }

    /// The distance from where the program was loaded, which is the same in every process that runs this image.
    pub(crate) fn offset(self) -> u64 {
        (self.0 as u64).wrapping_sub(Loaded::own().base)
    }

    #[inline]
    pub(crate) fn pointer(self) -> *const () {
        std::ptr::with_exposed_provenance(self.0)
    }
}

impl Image {
    fn has_code_at(&self, offset: u64) -> bool {
        self.code.iter().any(|(start, end)| (*start..*end).contains(&offset))
    }
}

/// Takes down the main program, which the loader lists first, and stops there.
extern "C" fn first_object(info: *mut libc::dl_phdr_info, _size: libc::size_t, found: *mut c_void) -> libc::c_int {
    // SAFETY: the loader passes a valid description.
    let info = unsafe { &*info };
    // SAFETY: `found` is what `look` passed.
    let found = unsafe { &mut *found.cast::<Loaded>() };
    // SAFETY: the loader says how many headers there are, and they are mapped as long as the program is.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    found.base = info.dlpi_addr;
    let first = headers.iter().find(|one| one.p_type == libc::PT_LOAD).map_or(0, |one| one.p_vaddr);
    found.start = info.dlpi_addr + first;
    let dynamic = headers.iter().find(|one| one.p_type == libc::PT_DYNAMIC);
    found.constructors =
        dynamic.map_or((0, 0), |one| table_of_constructors(info.dlpi_addr, mapped(info.dlpi_addr, one)));
    found.image.code =
        headers.iter().filter(|one| is_code(one)).map(|one| (one.p_vaddr, one.p_vaddr + one.p_memsz)).collect();
    let notes = headers.iter().filter(|one| one.p_type == libc::PT_NOTE);
    found.image.identity =
        notes.filter_map(|one| build_id(mapped(info.dlpi_addr, one))).next().unwrap_or_default().to_vec();
    // Anything but 0 ends the walk: the first object is the program itself, and libraries do not count.
    1
}

fn is_code(header: &libc::Elf64_Phdr) -> bool {
    header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_X != 0
}

/// Where the constructors are, as the program's dynamic section says: pairs of a kind and a value, ended by two zeros.
fn table_of_constructors(base: u64, dynamic: &[u8]) -> (u64, u64) {
    const INIT_ARRAY: u64 = 25;
    const INIT_ARRAY_SIZE: u64 = 27;
    let words = dynamic.chunks_exact(8).filter_map(|word| Some(u64::from_ne_bytes(word.try_into().ok()?)));
    let words: Vec<u64> = words.collect();
    // `DT_NULL` ends the table. What lies behind it in the section is padding.
    let value =
        |kind| words.chunks_exact(2).take_while(|pair| pair[0] != 0).find(|pair| pair[0] == kind).map(|pair| pair[1]);
    match (value(INIT_ARRAY), value(INIT_ARRAY_SIZE)) {
        (Some(address), Some(size)) => (base + address, size),
        _none => (0, 0),
    }
}

/// The addresses of this program's constructors, in the order in which the loader runs them. None are found in a static program
/// that is always loaded at one address.
pub(crate) fn constructors() -> &'static [usize] {
    let (address, size) = Loaded::own().constructors;
    if address == 0 {
        return &[];
    }
    let start = std::ptr::with_exposed_provenance(address as usize);
    // SAFETY: the loader has relocated the table before it runs the first entry; it stays mapped and unchanged as long as the
    // program runs, and the linker has aligned it.
    unsafe { std::slice::from_raw_parts(start, size as usize / size_of::<usize>()) }
}

/// The bytes of a segment of the running program.
fn mapped(base: u64, header: &libc::Elf64_Phdr) -> &'static [u8] {
    let address = std::ptr::with_exposed_provenance((base + header.p_vaddr) as usize);
    // SAFETY: a note segment lies in a loaded one, is read-only, and stays mapped as long as the program runs.
    unsafe { std::slice::from_raw_parts(address, header.p_filesz as usize) }
}

/// The GNU build id in a note segment (System V ABI, "Note Section"; type 3 of the owner "GNU").
fn build_id(mut notes: &[u8]) -> Option<&[u8]> {
    while notes.len() >= 12 {
        let word = |at: usize| Some(u32::from_ne_bytes(notes.get(at..at + 4)?.try_into().ok()?) as usize);
        let (name_len, id_len, kind) = (word(0)?, word(4)?, word(8)?);
        let id_at = 12 + name_len.next_multiple_of(4);
        // Numbers in the file are not believed: one that is too long ends the search and reads nothing behind the segment.
        let id = notes.get(id_at..id_at.checked_add(id_len)?)?;
        if kind == 3 && notes.get(12..16) == Some(b"GNU\0") {
            return Some(id);
        }
        notes = notes.get(id_at + id_len.next_multiple_of(4)..)?;
    }
    None
}

/// Which file the program is. The kernel refuses writing to a file that is being executed.
fn file_identity() -> Vec<u8> {
    let Ok(file) = std::fs::metadata("/proc/self/exe") else { return Vec::new() };
    let numbers =
        [file.dev(), file.ino(), file.size(), file.mtime().cast_unsigned(), file.mtime_nsec().cast_unsigned()];
    numbers.iter().flat_map(|one| one.to_ne_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_functions_have_a_place_and_come_back() {
        let function = own_functions_have_a_place_and_come_back as fn() as *const ();
        let place = Place::of(function).expect("a function of this program");
        assert_eq!((place.pointer(), Place::at(place.offset())), (function, Some(place)));
    }

    #[test]
    fn what_is_not_code_of_the_program_has_no_place() {
        let in_the_library = libc::getpid as *const ();
        assert_eq!(Place::of(in_the_library), None);
        assert_eq!(Place::of((&raw const *Loaded::own()).cast()), None);
        assert_eq!(Place::at(u64::MAX), None);
    }

    #[test]
    fn the_file_behind_an_address_is_found() {
        let maps = b"1000-2000 r--p 00000000 fe:00 77   /a b/program\n2000-3000 rw-p 00000000 00:00 0   [heap]\n\
            5000-6000 rw-p 00000000 00:00 0 \n";
        assert_eq!(mapped_file(maps, 0x1fff), Some((77, &b"/a b/program"[..])));
        for none in [0xfff, 0x2000, 0x3000, 0x5000] {
            assert_eq!(mapped_file(maps, none), None);
        }
        assert_eq!(run_by_another(), None, "a test is its own program");
    }

    #[test]
    fn a_build_id_is_found_among_notes_and_garbage_is_none() {
        let mut notes = Vec::new();
        for (name, kind, id) in [(&b"CORE"[..], 1_u32, &b"xy"[..]), (b"GNU\0", 3, b"12345")] {
            notes.extend((name.len() as u32).to_ne_bytes());
            notes.extend((id.len() as u32).to_ne_bytes());
            notes.extend(kind.to_ne_bytes());
            notes.extend(name);
            notes.extend(id);
            notes.resize(notes.len().next_multiple_of(4), 0);
        }
        assert_eq!(build_id(&notes), Some(&b"12345"[..]));
        assert_eq!(build_id(&notes[..notes.len() - 4]), None);
        assert_eq!(build_id(&[0xff; 40]), None);
    }
}
