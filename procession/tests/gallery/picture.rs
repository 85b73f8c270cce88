//! `shared_array`.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use crate::support::run;

fn painted(file: &Path, processes: &str) -> (Vec<usize>, Vec<u8>) {
    let ran = run("shared_array", &[file.to_str().unwrap(), "--processes", processes]);
    let lines = ran.lines();
    let rows = lines.iter().filter_map(|line| line.strip_suffix(" rows")?.rsplit(' ').next()?.parse().ok());
    (rows.collect(), fs::read(file).unwrap())
}

/// Every pixel's colour, from the file.
fn pixels(picture: &[u8]) -> (u32, u32, Vec<u8>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(picture)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut pixels).unwrap();
    (frame.width, frame.height, pixels.iter().flat_map(|two| [two >> 4, two & 15]).collect())
}

#[test]
fn the_picture_is_the_same_however_many_paint_it() {
    let folder = tempfile::tempdir().unwrap();
    let (alone, one) = painted(&folder.path().join("one.png"), "1");
    let (shares, many) = painted(&folder.path().join("many.png"), "4");
    assert_eq!((alone, shares.len(), shares.iter().sum()), (vec![320], 4, 320));
    assert!(one == many, "the same file");
}

#[test]
fn it_shows_the_set() {
    let folder = tempfile::tempdir().unwrap();
    let (_, picture) = painted(&folder.path().join("picture.png"), "2");
    let (width, height, pixels) = pixels(&picture);
    assert_eq!((width, height), (480, 320));
    let at = |x: f64, y: f64| pixels[(y * 160.0 + 160.0) as usize * 480 + ((x + 2.2) * 160.0) as usize];
    for (x, y) in [(0.0, 0.0), (-1.0, 0.0), (-0.5, 0.5), (0.2, -0.3)] {
        assert_eq!(at(x, y), 15, "({x}, {y}) is a member");
    }
    for (x, y) in [(-2.15, 0.9), (0.7, -0.7), (0.5, 0.5)] {
        assert!(at(x, y) < 8, "({x}, {y}) is far outside");
    }
    assert!((0..15).all(|colour| pixels.contains(&colour)), "all colours are used");
}

#[test]
fn the_guide_shows_what_the_example_paints() {
    let folder = tempfile::tempdir().unwrap();
    let (_, picture) = painted(&folder.path().join("picture.png"), "2");
    let chapter = include_str!("../../guide/mandelbrot.md");
    let text = chapter.trim_end().strip_prefix("![the Mandelbrot set](data:image/png;base64,").unwrap();
    let shown = from_base64(text.strip_suffix(')').unwrap());
    assert!(pixels(&shown) == pixels(&picture), "paint it again: the guide shows another picture");
}

fn from_base64(text: &str) -> Vec<u8> {
    let letters = (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').chain(*b"+/");
    let values: HashMap<u8, u32> = letters.zip(0..).collect();
    let digits: Vec<u32> = text.trim_end_matches('=').bytes().map(|letter| values[&letter]).collect();
    let bits = |four: &[u32]| four.iter().fold(0, |bits, digit| bits << 6 | digit) << (6 * (4 - four.len()));
    digits.chunks(4).flat_map(|four| bits(four).to_be_bytes()[1..four.len()].to_vec()).collect()
}
