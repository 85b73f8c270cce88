//! A picture of the Mandelbrot set, computed by several processes in place: the pixels are in memory that all of them share.
//!
//! No pixel is ever sent. Each process takes the next row that nobody has taken, until there are none.
//!
//! ```text
//! cargo run --release --example shared_array -- [FILE.png] [--processes N]
//! ```

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering::Relaxed};

use lexopt::prelude::{Long, Value, ValueExt};
use procession::sync::Shared;
use procession::{Process, process};

const WIDTH: usize = 480;
const HEIGHT: usize = 320;

/// How often the formula is applied before a point is taken for a member of the set.
const PATIENCE: usize = 240;

/// The colours of the picture: from the night outside to the fire at the border; the last one is the set's own.
const COLOURS: usize = 16;

/// The picture, a byte for each pixel: the number of its colour.
type Pixels = Shared<[AtomicU8]>;

fn main() -> Result<(), Box<dyn Error>> {
    procession::init();
    let (mut file, mut count) = (PathBuf::from("mandelbrot.png"), process::cpu_count());
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Value(path) => file = path.into(),
            Long("processes") => count = arguments.value()?.parse()?,
            other => return Err(other.unexpected().into()),
        }
    }
    let pixels = Pixels::from_fn(WIDTH * HEIGHT, |_| AtomicU8::new(0))?;
    let next_row = Shared::new(AtomicUsize::new(0))?;
    let painters: Vec<_> =
        (0..count).map(|_| Process::spawn(paint, (pixels.clone(), next_row.clone()))).collect::<Result<_, _>>()?;
    for painter in painters {
        println!("process {} has painted {} rows", painter.id(), painter.join()?);
    }
    write_png(BufWriter::new(File::create(&file)?), &pixels)?;
    println!("the picture is in {}", file.display());
    Ok(())
}

/// Runs in a process of its own, and tells how many rows it has painted.
fn paint((pixels, next_row): (Pixels, Shared<AtomicUsize>)) -> usize {
    let mut rows = 0;
    loop {
        let row = next_row.fetch_add(1, Relaxed);
        if row >= HEIGHT {
            return rows;
        }
        for column in 0..WIDTH {
            pixels[row * WIDTH + column].store(colour(column, row), Relaxed);
        }
        rows += 1;
    }
}

fn colour(column: usize, row: usize) -> u8 {
    let scale = 3.0 / WIDTH as f64;
    let (x, y) = (column as f64 * scale - 2.2, (row as f64 - HEIGHT as f64 / 2.0) * scale);
    let (mut re, mut im, mut steps) = (0.0_f64, 0.0_f64, 0);
    while re * re + im * im <= 4.0 && steps < PATIENCE {
        (re, im) = (re * re - im * im + x, 2.0 * re * im + y);
        steps += 1;
    }
    if steps == PATIENCE {
        return COLOURS as u8 - 1;
    }
    // Each colour stands for twice as many steps as two colours before it.
    let shade = (0..COLOURS - 2).find(|shade| steps < [2, 3][shade % 2] << (shade / 2)).unwrap_or(COLOURS - 2);
    shade as u8
}

fn write_png(out: impl Write, pixels: &Pixels) -> Result<(), png::EncodingError> {
    let mut encoder = png::Encoder::new(out, WIDTH as u32, HEIGHT as u32);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Four);
    encoder.set_palette(palette());
    encoder.set_compression(png::Compression::High);
    // Two pixels share a byte.
    let packed: Vec<u8> = pixels.chunks(2).map(|two| two[0].load(Relaxed) << 4 | two[1].load(Relaxed)).collect();
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&packed)?;
    writer.finish()
}

fn palette() -> Vec<u8> {
    let shade = |index: usize| {
        let far = index * 255 / (COLOURS - 2);
        [far as u8, (far * far / 255) as u8, (60 + far / 4) as u8]
    };
    (0..COLOURS - 1).flat_map(shade).chain([0, 0, 0]).collect()
}
