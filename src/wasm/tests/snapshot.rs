//! Machines that are taken out of modules again, and modules that somebody has damaged.

use super::super::scan::MODULE_HEADER;
use super::component::shell;
use super::runtime::{PLACEMENT, Runtime};
use super::{STATE, package, units};
use crate::units::FileUnits;
use crate::wasm::{Parts, Provenance, Snapshot, SnapshotError, Template};
use c2w_emulator::{Region, UNIT_SIZE, UnitSource};
use c2w_units::{Encoding, StoredUnit};
use std::fs::File;
use std::io::Write;

/// The least that a machine has.
const RAM: usize = 64 << 20;
const IMAGE: usize = 3 * UNIT_SIZE;

fn ram() -> Vec<u8> {
    let mut ram = vec![0; RAM];
    ram[4096] = 1;
    ram[7 * 4096..9 * 4096].fill(4);
    ram[RAM - 1] = 5;
    ram
}

fn image() -> Vec<u8> {
    let mut image = vec![0; IMAGE];
    image[..4096].fill(7);
    image[IMAGE - 1] = 8;
    image
}

fn module(version: &str) -> Vec<u8> {
    packaged(&Runtime::default().build(), version)
}

fn component() -> Vec<u8> {
    packaged(&shell(&Runtime::default().build()), env!("CARGO_PKG_VERSION"))
}

fn packaged(runtime: &[u8], version: &str) -> Vec<u8> {
    let provenance = Provenance {
        source: "source".into(),
        digest: "digest".into(),
        platform: "platform".into(),
        c2w: version.into(),
        memory_mib: 64,
        root_image: 0,
        root_image_stored: 0,
        exposed_ports: Vec::new(),
        machine: String::new(),
        emulator: None,
        assets: [].into(),
    };
    let (ram, image) = (units(&ram()), units(&image()));
    let parts = Parts {
        ram_length: RAM as u64,
        ram: &ram,
        image_length: IMAGE as u64,
        image: &image,
        root: image.written,
        cache: 1 << 30,
        state: STATE,
        translation: None,
        provenance: &provenance,
    };
    let mut module = Vec::new();
    package(&Template::parse(runtime).unwrap(), &parts, &mut module).unwrap();
    module
}

fn current() -> Vec<u8> {
    module(env!("CARGO_PKG_VERSION"))
}

fn read(module: &[u8]) -> Result<Snapshot, SnapshotError> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(module).unwrap();
    Snapshot::read(&file, |_| 1 << 30)
}

fn refusal(module: &[u8]) -> String {
    read(module).err().expect("it is refused").to_string()
}

fn bytes(snapshot: &mut Snapshot, region: Region) -> Vec<u8> {
    let mut bytes = vec![0; region.length as usize];
    snapshot.memory.read(region.start, &mut bytes).unwrap();
    bytes
}

#[test]
fn what_was_packaged_is_read() {
    for file in [current(), component()] {
        let mut snapshot = read(&file).unwrap();
        let regions = [snapshot.memory.ram(), snapshot.memory.image()];
        let [read_ram, read_image] = regions.map(|region| bytes(&mut snapshot, region));
        assert!(read_ram == ram() && read_image == image());
        assert_eq!((snapshot.state, snapshot.provenance.memory_mib), (STATE.to_vec(), 64));
    }
}

#[test]
fn other_files_say_what_they_are() {
    assert!(refusal(b"\x7fELF").contains("WebAssembly module"));
    assert!(refusal(&MODULE_HEADER).contains("c2w did not make it"));
    assert!(refusal(&Runtime::default().build()).contains("c2w did not make it"));
    let older = refusal(&module("0.0.1"));
    assert!(older.contains("c2w 0.0.1 has made it") && older.contains("WASI runtime"), "{older}");
    let mut other = current();
    other[table_at(&current())] ^= 1;
    assert!(refusal(&other).contains("where its machine lies"));
    assert!(Snapshot::read(&File::open("/dev/null").unwrap(), |_| 1 << 30).is_err());
}

/// Where the placement table lies in the module: its segment is the last for that address.
fn table_at(module: &[u8]) -> usize {
    let magic = 0x7732_6303_u32.to_le_bytes();
    assert_eq!(super::placement(module)[0].to_le_bytes(), magic, "the table at {PLACEMENT}");
    module.windows(4).position(|bytes| bytes == magic).unwrap()
}

/// Whatever the numbers say, nothing panics, and nothing outside of the file is taken for memory.
#[test]
fn no_number_is_believed() {
    let module = current();
    let at = table_at(&module);
    let mut refused = 0;
    for word in 1..=13 {
        let place = at + 4 * word..at + 4 * word + 4;
        let is = u32::from_le_bytes(module[place.clone()].try_into().unwrap());
        for value in
            [0, 1, is + 1, is.wrapping_sub(1), is ^ 1 << 31, 1 << 30, u32::MAX - 4095, u32::MAX]
        {
            let mut damaged = module.clone();
            damaged[place.clone()].copy_from_slice(&value.to_le_bytes());
            refused += usize::from(read(&damaged).is_err());
        }
    }
    assert!(refused > 40, "{refused}");
}

#[test]
fn damage_is_an_error_or_harmless() {
    // A component's module is the same: fewer places will do.
    for (file, step) in [(current(), 3), (component(), 30)] {
        check_damage(&file, step);
    }
}

fn check_damage(module: &[u8], step: usize) {
    for end in (0..module.len()).step_by(module.len() / 300) {
        assert!(read(&module[..end]).is_err(), "{end}");
    }
    let mut whole = read(module).unwrap();
    let region = whole.memory.image();
    let image = bytes(&mut whole, region);
    // All but most of the index of units, and of what is stored of them.
    let structure = (0..module.len()).filter(|at| !(2000..module.len() - 1200).contains(at));
    for at in structure.step_by(step) {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = module.to_vec();
            damaged[at] ^= flip;
            if let Ok(mut snapshot) = read(&damaged) {
                assert!(snapshot.state == whole.state, "{at}");
                assert!(bytes(&mut snapshot, region) == image, "{at}");
            }
        }
    }
}

#[test]
fn one_segment_has_the_units() {
    let module = current();
    // The head of the index's segment: flag, i32.const 0x10000, end.
    let head = [0, 0x41, 0x80, 0x80, 0x04, 0x0b];
    let at = module.windows(head.len()).position(|bytes| bytes == head).unwrap();
    for kind in [1, 2, 7] {
        let mut other = module.clone();
        other[at] = kind;
        assert!(read(&other).is_err(), "{kind}");
    }
}

/// What `c2w run` says of a module whose units are not what the index says, if the checksum is right.
#[test]
fn a_unit_that_cannot_be_unpacked_is_named() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&[0xff; 100]).unwrap();
    let entry = StoredUnit { offset: 10, length: 90, encoding: Encoding::Lz4 }.to_bytes();
    let beyond = StoredUnit { offset: 11, length: 90, encoding: Encoding::Lz4 }.to_bytes();
    let mut units = FileUnits::new(file, 0, [entry, beyond].concat(), "root image");
    let mut frame = [0; UNIT_SIZE];
    let error = units.read(0, &mut frame).unwrap_err();
    assert_eq!(error.0, "unit 0 of its root image is damaged");
    let error = units.read(1, &mut frame).unwrap_err();
    assert!(error.0.starts_with("unit 1 of its root image cannot be read: "), "{}", error.0);
}
