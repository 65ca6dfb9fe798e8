//! Demand paging: units of a region are brought in when they are first touched, and those of a
//! region larger than its place in the window are evicted again.
//!
//! ```text
//!            touched                   (the CPU holds no translation to an absent page)
//!   absent  --------->  in a frame
//!           <---------
//!            evicted, in the run loop, where the CPU forgets its translations
//! ```
//!
//! A frame is a unit's place in the window. Where there are as many frames as units, each unit has
//! its own, side by side as the units are, and none is evicted.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

/// log2 of a unit's size in bytes.
pub const UNIT_SHIFT: u32 = 16;
/// A unit's size in bytes.
pub const UNIT_SIZE: usize = 1 << UNIT_SHIFT;

/// Frames that are free when an instruction begins. A fetch takes a few; what data takes beyond
/// all of them is served without a frame.
const RESERVE: usize = 8;
/// The fewest frames of a region that has more units.
pub const MIN_FRAMES: usize = 2 * RESERVE;
/// Of so many frames one is freed when there are too few.
const SHARE: usize = 8;

/// In place of a frame or a unit: none.
const NONE: u32 = u32::MAX;

/// Why a unit has no bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitError(pub String);

/// Where the bytes of units come from.
pub trait UnitSource {
    /// Whether a unit is all zeros. Units that it does not know are.
    fn is_zero(&self, unit: u32) -> bool;

    /// Puts the bytes of a unit that is not all zeros into `frame`, which holds anything.
    ///
    /// # Errors
    /// When they cannot be had.
    fn read(&mut self, unit: u32, frame: &mut [u8; UNIT_SIZE]) -> Result<(), UnitError>;
}

/// A frame of a region that has more units than frames.
#[derive(Clone, Copy)]
struct Frame {
    unit: u32,
    /// Touched since the last time that frames were freed.
    used: bool,
}

/// Which units of a region are in the window.
pub(super) struct Demand {
    source: Box<dyn UnitSource>,
    /// For each unit its frame.
    frame_of: Vec<u32>,
    /// The frames; empty where each unit has its own.
    frames: Vec<Frame>,
    /// Those that hold nothing.
    free: Vec<u32>,
    /// Where the search for frames to be freed goes on (the CLOCK algorithm).
    hand: usize,
    /// The unit that was served last without a frame, and its bytes.
    unframed: Option<(u32, Box<[u8; UNIT_SIZE]>)>,
    failure: Option<UnitError>,
}

/// Where a unit is.
pub(super) enum Place {
    /// In this frame.
    Frame(u32),
    /// In this frame, as soon as [`Demand::fill`] has put it there.
    Vacant(u32),
    /// Nowhere: no frame is free.
    Unframed,
}

impl Demand {
    /// Nothing is there yet but what is zero in a frame of its own.
    pub(super) fn new(source: Box<dyn UnitSource>, units: usize, frames: usize) -> Self {
        let mut demand = Self {
            source,
            frame_of: vec![NONE; units],
            frames: Vec::new(),
            free: Vec::new(),
            hand: 0,
            unframed: None,
            failure: None,
        };
        if frames < units {
            demand.frames = vec![Frame { unit: NONE, used: false }; frames];
            demand.free = (0..frames as u32).rev().collect();
        } else {
            for unit in 0..units as u32 {
                if demand.source.is_zero(unit) {
                    demand.frame_of[unit as usize] = unit;
                }
            }
        }
        demand
    }

    /// Whether each unit has a frame of its own.
    pub(super) fn is_in_place(&self) -> bool {
        self.frames.is_empty()
    }

    /// Where a unit is, or is to be put. Units exist: the caller has checked the address.
    #[inline]
    pub(super) fn place(&mut self, unit: u32) -> Place {
        let frame = self.frame_of[unit as usize];
        if frame != NONE {
            if let Some(frame) = self.frames.get_mut(frame as usize) {
                frame.used = true;
            }
            return Place::Frame(frame);
        }
        self.vacant(unit)
    }

    // Rare.
    #[inline(never)]
    fn vacant(&mut self, unit: u32) -> Place {
        if self.is_in_place() {
            self.frame_of[unit as usize] = unit;
            return Place::Vacant(unit);
        }
        let Some(frame) = self.free.pop() else { return Place::Unframed };
        self.frame_of[unit as usize] = frame;
        self.frames[frame as usize] = Frame { unit, used: true };
        Place::Vacant(frame)
    }

    /// Puts a unit's bytes into its frame.
    pub(super) fn fill(&mut self, unit: u32, frame: &mut [u8; UNIT_SIZE]) {
        if self.source.is_zero(unit) {
            frame.fill(0);
        } else if let Err(error) = self.source.read(unit, frame) {
            frame.fill(0);
            self.failure.get_or_insert(error);
        }
    }

    /// The bytes of a unit for which there is no frame.
    pub(super) fn unframed(&mut self, unit: u32) -> &[u8; UNIT_SIZE] {
        let kept = self.unframed.take();
        let is_kept = kept.as_ref().is_some_and(|(kept, _)| *kept == unit);
        let mut bytes = match kept {
            Some((_, bytes)) => bytes,
            None => zeroed_unit(),
        };
        if !is_kept {
            self.fill(unit, &mut bytes);
        }
        &self.unframed.insert((unit, bytes)).1
    }

    /// The frame of a unit that is there.
    pub(super) fn frame(&self, unit: u32) -> Option<u32> {
        self.frame_of.get(unit as usize).copied().filter(|&frame| frame != NONE)
    }

    /// Where bytes of the region lie in its place, if all of them are there, side by side.
    pub(super) fn resident(&self, inside: u64, length: usize) -> Option<u64> {
        let mut units = inside >> UNIT_SHIFT..(inside + length as u64).div_ceil(UNIT_SIZE as u64);
        if self.is_in_place() {
            return units.all(|unit| self.frame(unit as u32).is_some()).then_some(inside);
        }
        let frame = self.frame(units.next()? as u32)?;
        let is_one = units.next().is_none();
        is_one.then_some(u64::from(frame) << UNIT_SHIFT | inside & (UNIT_SIZE as u64 - 1))
    }

    /// The unit in a frame.
    pub(super) fn unit(&self, frame: u32) -> Option<u32> {
        if self.is_in_place() {
            return Some(frame);
        }
        let unit = self.frames.get(frame as usize)?.unit;
        (unit != NONE).then_some(unit)
    }

    /// Whether the run loop has to come first: frames are low, or a unit could not be had.
    #[inline]
    pub(super) fn needs_attention(&self) -> bool {
        self.failure.is_some() || !self.is_in_place() && self.free.len() < RESERVE
    }

    /// Frees frames that were not used for a while, if few are free. Returns those freed.
    pub(super) fn make_room(&mut self) -> Vec<u32> {
        let mut freed = Vec::new();
        if self.is_in_place() || self.free.len() >= RESERVE {
            return freed;
        }
        let wanted = (self.frames.len() / SHARE).max(RESERVE);
        // After one turn all are unused.
        for _ in 0..2 * self.frames.len() {
            if freed.len() == wanted {
                break;
            }
            let frame = &mut self.frames[self.hand];
            if core::mem::take(&mut frame.used) || frame.unit == NONE {
                self.hand = (self.hand + 1) % self.frames.len();
                continue;
            }
            self.frame_of[frame.unit as usize] = NONE;
            frame.unit = NONE;
            freed.push(self.hand as u32);
            self.hand = (self.hand + 1) % self.frames.len();
        }
        self.free.extend(freed.iter().rev());
        freed
    }

    /// Why a unit could not be had.
    pub(super) fn failure(&self) -> Option<&UnitError> {
        self.failure.as_ref()
    }
}

fn zeroed_unit() -> Box<[u8; UNIT_SIZE]> {
    let bytes = vec![0; UNIT_SIZE].into_boxed_slice();
    bytes.try_into().unwrap_or_else(|_| unreachable!("it has that length"))
}
