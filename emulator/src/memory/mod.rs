//! Guest-physical memory: RAM and the root image, both in one window of host addresses.
//!
//! The window spans less than 4 GiB, so an offset in it is a `u32`: the TLB stores window page
//! numbers. On wasm32 the window is the linear memory itself and starts at address 0, which
//! makes a window offset and an address the same number.
//!
//! Every access here is checked; only the TLB fast path of the interpreter goes to the window
//! directly, with offsets that this module handed out.
//!
//! What a region holds may be brought in unit by unit, when it is touched (`demand.rs`); the root
//! image may then be larger than its place in the window. It is read-only for the guest.

mod demand;

pub use demand::{MIN_FRAMES, UNIT_SHIFT, UNIT_SIZE, UnitError, UnitSource};

use alloc::alloc::{Layout, alloc_zeroed};
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use demand::{Demand, Place};

/// log2 of a page's size in bytes.
pub const PAGE_SHIFT: u32 = 12;
/// A page's size in bytes.
pub const PAGE_SIZE: usize = 1 << PAGE_SHIFT;

/// An access to guest-physical addresses that are not memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfRange;

/// Why there is no memory for a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllocateError {
    /// It would have 4 GiB or more.
    TooLarge,
    /// The host does not give this number of bytes.
    OutOfMemory(usize),
}

/// A run of guest-physical addresses backed by the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// First guest-physical address; page aligned.
    pub start: u64,
    /// Length in bytes; page aligned.
    pub length: u64,
    /// Where its place in the window starts; page aligned.
    pub offset: u32,
    /// Bytes of that place; page aligned. If they are fewer than `length`, they are frames for
    /// [`MIN_FRAMES`] units or more.
    pub window: u32,
}

impl Region {
    /// How far `address` is in this region, when `length` bytes from there lie in it.
    #[inline]
    fn inside(&self, address: u64, length: usize) -> Option<u64> {
        let inside = address.checked_sub(self.start)?;
        (inside <= self.length && length as u64 <= self.length - inside).then_some(inside)
    }

    /// Where its place in the window ends.
    fn window_end(&self) -> u64 {
        u64::from(self.offset) + u64::from(self.window)
    }
}

/// RAM and root image of a guest.
pub struct GuestMemory {
    /// Host address of the window's first byte.
    base: usize,
    ram: Region,
    image: Region,
    /// Which units of RAM are there, if not all are.
    ram_demand: Option<Demand>,
    /// The same of the root image.
    image_demand: Option<Demand>,
    /// For each page of the window from `first_page`: whether decoded code was made from it.
    has_code: Vec<bool>,
    first_page: u32,
    /// Window pages with code that a device or the slow path has written since they were last
    /// taken.
    overwritten_code: Vec<u32>,
    /// What `base` points into, when this memory owns its window.
    _owned: Option<Vec<u8>>,
}

/// Zero bytes, as `vec!` gives them, but not with an abort when the host has no memory left.
fn zeros(length: usize) -> Result<Vec<u8>, AllocateError> {
    let failed = AllocateError::OutOfMemory(length);
    let layout = Layout::array::<u8>(length).ok().filter(|layout| layout.size() > 0);
    // SAFETY: the size is not zero.
    let bytes = unsafe { alloc_zeroed(layout.ok_or(failed)?) };
    if bytes.is_null() {
        return Err(failed);
    }
    // SAFETY: the global allocator has just given that many bytes, all zero, aligned as a `u8`.
    Ok(unsafe { Vec::from_raw_parts(bytes, length, length) })
}

impl GuestMemory {
    /// Allocates RAM at guest-physical `ram_start` and an image region at `image_start`, both
    /// zero. Lengths in bytes, rounded up to pages.
    ///
    /// # Errors
    /// [`AllocateError`].
    pub fn allocate(
        ram_start: u64,
        ram_length: u64,
        image_start: u64,
        image_length: u64,
    ) -> Result<Self, AllocateError> {
        Self::allocate_cached(ram_start, ram_length, (image_start, image_length), u64::MAX)
    }

    /// The same with a place of `cache` bytes at most for the image region, rounded up to
    /// [`MIN_FRAMES`] units. If that is less than all of it, [`Self::set_image_source`] must follow.
    ///
    /// # Errors
    /// [`AllocateError`].
    pub fn allocate_cached(
        ram_start: u64,
        ram_length: u64,
        (image_start, image_length): (u64, u64),
        cache: u64,
    ) -> Result<Self, AllocateError> {
        let ram_pages = ram_length.div_ceil(PAGE_SIZE as u64);
        let image_pages = image_length.div_ceil(PAGE_SIZE as u64);
        let cached_pages = image_window(image_pages << PAGE_SHIFT, cache) >> PAGE_SHIFT;
        let pages = ram_pages.checked_add(cached_pages).ok_or(AllocateError::TooLarge)?;
        if pages >= 1 << (32 - PAGE_SHIFT) {
            return Err(AllocateError::TooLarge);
        }
        // Zeros from the allocator are untouched memory of the operating system, as long as no
        // alignment is asked for: so one page more, and the alignment by hand.
        let owned = zeros((pages as usize + 1) << PAGE_SHIFT)?;
        let image = Region {
            start: image_start,
            length: image_pages << PAGE_SHIFT,
            offset: 0,
            window: (cached_pages << PAGE_SHIFT) as u32,
        };
        let ram = Region {
            start: ram_start,
            length: ram_pages << PAGE_SHIFT,
            offset: image.window,
            window: (ram_pages << PAGE_SHIFT) as u32,
        };
        let base = owned.as_ptr().expose_provenance().next_multiple_of(PAGE_SIZE);
        Ok(Self::assemble(base, ram, image, Some(owned)))
    }

    /// Takes memory that exists already at host address `base`.
    ///
    /// # Safety
    /// The places of both regions must lie in memory that is valid for reads and writes for the
    /// life of the result, that nothing else refers to, and that does not overlap itself.
    pub unsafe fn from_window(base: usize, ram: Region, image: Region) -> Self {
        Self::assemble(base, ram, image, None)
    }

    fn assemble(base: usize, ram: Region, image: Region, owned: Option<Vec<u8>>) -> Self {
        let first_page = ram.offset.min(image.offset) >> PAGE_SHIFT;
        let end = ram.window_end().max(image.window_end());
        let pages = (end >> PAGE_SHIFT) as usize - first_page as usize;
        Self {
            base,
            ram,
            image,
            ram_demand: None,
            image_demand: None,
            has_code: vec![false; pages],
            first_page,
            overwritten_code: Vec::new(),
            _owned: owned,
        }
    }

    /// Has what is in RAM brought in from `source` when it is touched. RAM is zero so far, and
    /// whole units long.
    pub fn set_ram_source(&mut self, source: Box<dyn UnitSource>) {
        debug_assert_eq!(self.ram.length % UNIT_SIZE as u64, 0, "whole units");
        self.ram_demand = Some(demand(self.ram, source));
    }

    /// Has the root image brought in from `source` when it is touched. Its place is zero so far,
    /// and whole units long.
    pub fn set_image_source(&mut self, source: Box<dyn UnitSource>) {
        debug_assert_eq!(self.image.length % UNIT_SIZE as u64, 0, "whole units");
        self.image_demand = Some(demand(self.image, source));
    }

    /// RAM.
    pub fn ram(&self) -> Region {
        self.ram
    }

    /// The root image.
    pub fn image(&self) -> Region {
        self.image
    }

    /// Host address of the window's first byte.
    pub(crate) fn base(&self) -> usize {
        self.base
    }

    /// Whether `length` bytes at a guest-physical address are memory.
    #[inline]
    pub fn contains(&self, address: u64, length: usize) -> bool {
        self.is_ram(address, length) || self.image.inside(address, length).is_some()
    }

    /// Whether they are memory that the guest may write to.
    #[inline]
    pub(crate) fn is_ram(&self, address: u64, length: usize) -> bool {
        self.ram.inside(address, length).is_some()
    }

    /// Window offset of bytes in RAM, which are there then.
    #[inline]
    fn ram_offset(&mut self, address: u64, length: usize) -> Result<usize, OutOfRange> {
        let inside = self.ram.inside(address, length).ok_or(OutOfRange)?;
        if self.ram_demand.is_some() {
            self.bring_in_ram(inside, length);
        }
        Ok(self.ram.offset as usize + inside as usize)
    }

    fn bring_in_ram(&mut self, inside: u64, length: usize) {
        let Some(demand) = &mut self.ram_demand else { return };
        for unit in inside >> UNIT_SHIFT..(inside + length as u64).div_ceil(UNIT_SIZE as u64) {
            if let Place::Vacant(frame) = demand.place(unit as u32) {
                // SAFETY: a frame lies in its region's place, and no slice of this memory is left,
                // as `self` is borrowed mutably.
                demand.fill(unit as u32, unsafe { frame_bytes(self.base, self.ram, frame) });
            }
        }
    }

    /// Window offset of bytes of the image that lie in one unit, which is there then. `None` if no
    /// frame is free.
    #[inline]
    fn image_offset(&mut self, inside: u64) -> Option<usize> {
        let Some(demand) = &mut self.image_demand else {
            let is_there = inside < self.image.window.into();
            return is_there.then_some(self.image.offset as usize + inside as usize);
        };
        let unit = (inside >> UNIT_SHIFT) as u32;
        let frame = match demand.place(unit) {
            Place::Frame(frame) => frame,
            Place::Vacant(frame) => {
                // SAFETY: as in `bring_in_ram`.
                demand.fill(unit, unsafe { frame_bytes(self.base, self.image, frame) });
                frame
            }
            Place::Unframed => return None,
        };
        let in_unit = inside as usize & (UNIT_SIZE - 1);
        Some(self.image.offset as usize + ((frame as usize) << UNIT_SHIFT) + in_unit)
    }

    /// The window page that backs guest-physical `address`, if it is memory; its bytes are there
    /// then. Of the image it is only for reading, and there may be none at the moment: then
    /// [`Self::needs_attention`].
    #[inline]
    pub(crate) fn window_page(&mut self, address: u64) -> Option<u32> {
        let page = address & !(PAGE_SIZE as u64 - 1);
        let offset = match self.ram_offset(page, PAGE_SIZE) {
            Ok(offset) => offset,
            Err(_) => self.image_offset(self.image.inside(page, PAGE_SIZE)?)?,
        };
        Some((offset >> PAGE_SHIFT) as u32)
    }

    /// The same for writing.
    #[inline]
    pub(crate) fn writable_page(&mut self, address: u64) -> Option<u32> {
        let page = address & !(PAGE_SIZE as u64 - 1);
        let offset = self.ram_offset(page, PAGE_SIZE).ok()?;
        Some((offset >> PAGE_SHIFT) as u32)
    }

    /// The window page that backs guest-physical `address` if it has one already, whether its bytes
    /// are there or not.
    pub(crate) fn known_page(&self, address: u64) -> Option<u32> {
        let page = address & !(PAGE_SIZE as u64 - 1);
        let (region, inside) = match self.ram.inside(page, PAGE_SIZE) {
            Some(inside) => (self.ram, inside),
            None => (self.image, self.image.inside(page, PAGE_SIZE)?),
        };
        let inside = match &self.image_demand {
            Some(demand) if region == self.image => {
                let frame = demand.frame((inside >> UNIT_SHIFT) as u32)?;
                u64::from(frame) << UNIT_SHIFT | inside & (UNIT_SIZE as u64 - 1)
            }
            _ => inside,
        };
        Some(((u64::from(region.offset) + inside) >> PAGE_SHIFT) as u32)
    }

    /// The bytes at a guest-physical address, which do not go from one unit of the image to the
    /// next: see [`Self::pieces`].
    ///
    /// # Errors
    /// [`OutOfRange`] when any of them is not memory.
    #[inline]
    pub fn slice(&mut self, address: u64, length: usize) -> Result<&[u8], OutOfRange> {
        match self.ram_offset(address, length) {
            Ok(offset) => Ok(self.window(offset, length)),
            Err(_) => self.image_slice(address, length),
        }
    }

    // Devices and the slow path seldom have to do with the image.
    #[inline(never)]
    fn image_slice(&mut self, address: u64, length: usize) -> Result<&[u8], OutOfRange> {
        let inside = self.image.inside(address, length).ok_or(OutOfRange)?;
        let in_unit = inside as usize & (UNIT_SIZE - 1);
        let room = match &self.image_demand {
            Some(_) => (UNIT_SIZE - in_unit) as u64,
            None => u64::from(self.image.window).saturating_sub(inside),
        };
        if length as u64 > room {
            return Err(OutOfRange);
        }
        if length == 0 {
            return Ok(&[]);
        }
        if let Some(offset) = self.image_offset(inside) {
            return Ok(self.window(offset, length));
        }
        let demand = self.image_demand.as_mut().ok_or(OutOfRange)?;
        let unit = demand.unframed((inside >> UNIT_SHIFT) as u32);
        Ok(&unit[in_unit..in_unit + length])
    }

    /// Hands over the bytes at a guest-physical address, in as few pieces as they lie in.
    ///
    /// # Errors
    /// [`OutOfRange`] when any of them is not memory; nothing is then handed over. Or when a unit could
    /// not be brought in, in place of its bytes.
    pub fn pieces(
        &mut self,
        address: u64,
        length: usize,
        mut take: impl FnMut(&[u8]),
    ) -> Result<(), OutOfRange> {
        if !self.contains(address, length) {
            return Err(OutOfRange);
        }
        if let Ok(offset) = self.ram_offset(address, length) {
            if self.failure().is_some() {
                return Err(OutOfRange);
            }
            take(self.window(offset, length));
            return Ok(());
        }
        if self.image_demand.is_none() {
            take(self.image_slice(address, length)?);
            return Ok(());
        }
        let mut at = address;
        let end = address + length as u64;
        while at < end {
            let in_unit = (at - self.image.start) as usize & (UNIT_SIZE - 1);
            let length = (UNIT_SIZE - in_unit).min((end - at) as usize);
            self.image_slice(at, length)?;
            if self.failure().is_some() {
                return Err(OutOfRange);
            }
            take(self.image_slice(at, length)?);
            at += length as u64;
        }
        Ok(())
    }

    /// Bytes at a guest-physical address that are there, side by side, without bringing any in.
    ///
    /// # Errors
    /// [`OutOfRange`] when any of them is not memory, or not there.
    pub fn resident(&self, address: u64, length: usize) -> Result<&[u8], OutOfRange> {
        let (region, demand) = match self.is_ram(address, length) {
            true => (self.ram, &self.ram_demand),
            false => (self.image, &self.image_demand),
        };
        let inside = region.inside(address, length).ok_or(OutOfRange)?;
        let inside = match demand {
            Some(demand) => demand.resident(inside, length).ok_or(OutOfRange)?,
            None if inside + length as u64 <= region.window.into() => inside,
            None => return Err(OutOfRange),
        };
        Ok(self.window(region.offset as usize + inside as usize, length))
    }

    /// Bytes of the window, which [`Self::ram_offset`] or [`Self::image_offset`] have found, or a
    /// region without a source has.
    #[inline]
    fn window(&self, offset: usize, length: usize) -> &[u8] {
        // SAFETY: the range lies inside a region's place, which is valid memory by `allocate` or
        // the contract of `from_window`; `&self` keeps writers away.
        unsafe {
            core::slice::from_raw_parts(
                core::ptr::with_exposed_provenance(self.base.wrapping_add(offset)),
                length,
            )
        }
    }

    /// Bytes of RAM at a guest-physical address, to be written: code decoded from their pages is
    /// reported as overwritten.
    ///
    /// # Errors
    /// [`OutOfRange`] when any of them is not RAM.
    #[inline]
    pub fn slice_mut(&mut self, address: u64, length: usize) -> Result<&mut [u8], OutOfRange> {
        let offset = self.ram_offset(address, length)?;
        self.note_write(offset, length);
        // SAFETY: as in `window`; `&mut self` makes this the only reference.
        Ok(unsafe { window_mut(self.base, offset, length) })
    }

    /// All of the root image, to be put there before a machine is made. Nothing of an image with a
    /// source.
    pub fn image_mut(&mut self) -> &mut [u8] {
        let is_whole =
            self.image_demand.is_none() && u64::from(self.image.window) == self.image.length;
        let length = if is_whole { self.image.window as usize } else { 0 };
        // SAFETY: as in `slice_mut`.
        unsafe { window_mut(self.base, self.image.offset as usize, length) }
    }

    /// Whether the run loop has to come first: see [`Self::make_room`] and
    /// [`Self::failure`].
    #[inline]
    pub(crate) fn needs_attention(&self) -> bool {
        self.demands().any(Demand::needs_attention)
    }

    /// Evicts units of the image if few frames are left. Returns whether it did: then no
    /// translation to the image holds, and code decoded from their pages is reported as overwritten.
    pub(crate) fn make_room(&mut self) -> bool {
        let Some(demand) = &mut self.image_demand else { return false };
        let freed = demand.make_room();
        for &frame in &freed {
            let offset = self.image.offset as usize + ((frame as usize) << UNIT_SHIFT);
            self.note_write(offset, UNIT_SIZE);
        }
        !freed.is_empty()
    }

    /// Why a unit could not be brought in: the guest has read zeros in its place.
    pub fn failure(&self) -> Option<&UnitError> {
        self.demands().find_map(Demand::failure)
    }

    fn demands(&self) -> impl Iterator<Item = &Demand> {
        self.ram_demand.iter().chain(&self.image_demand)
    }

    fn note_write(&mut self, offset: usize, length: usize) {
        let first = offset >> PAGE_SHIFT;
        let end = (offset + length).div_ceil(PAGE_SIZE);
        for page in first..end {
            let known = page - self.first_page as usize;
            if self.has_code[known] {
                self.overwritten_code.push(page as u32);
                self.has_code[known] = false;
            }
        }
    }

    /// Copies bytes out of guest memory.
    ///
    /// # Errors
    /// [`OutOfRange`] when any of them is not memory; `buffer` is then untouched.
    pub fn read(&mut self, address: u64, buffer: &mut [u8]) -> Result<(), OutOfRange> {
        let mut rest = &mut *buffer;
        self.pieces(address, rest.len(), |piece| {
            let (now, later) = core::mem::take(&mut rest).split_at_mut(piece.len());
            now.copy_from_slice(piece);
            rest = later;
        })
    }

    /// Copies bytes into RAM.
    ///
    /// # Errors
    /// [`OutOfRange`] when any of them is not RAM; nothing is then written.
    pub fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), OutOfRange> {
        self.slice_mut(address, bytes.len())?.copy_from_slice(bytes);
        Ok(())
    }

    /// A little-endian number of `N` bytes.
    ///
    /// # Errors
    /// [`OutOfRange`] when it is not in memory.
    #[inline]
    pub fn read_array<const N: usize>(&mut self, address: u64) -> Result<[u8; N], OutOfRange> {
        let mut bytes = [0; N];
        if let Ok(offset) = self.ram_offset(address, N) {
            bytes.copy_from_slice(self.window(offset, N));
        } else {
            self.read(address, &mut bytes)?;
        }
        Ok(bytes)
    }

    /// Guest-physical address of a window offset.
    pub(crate) fn physical(&self, offset: u32) -> Option<u64> {
        let inside = |region: Region| {
            let inside = offset.checked_sub(region.offset)?;
            (inside < region.window).then_some(inside)
        };
        if let Some(inside) = inside(self.ram) {
            return Some(self.ram.start + u64::from(inside));
        }
        let inside = u64::from(inside(self.image)?);
        let Some(demand) = &self.image_demand else { return Some(self.image.start + inside) };
        let unit = demand.unit((inside >> UNIT_SHIFT) as u32)?;
        let in_unit = inside & (UNIT_SIZE as u64 - 1);
        Some(self.image.start + (u64::from(unit) << UNIT_SHIFT | in_unit))
    }

    /// The bytes of a window page that [`Self::window_page`] has given.
    pub(crate) fn page(&self, window_page: u32) -> Result<&[u8], OutOfRange> {
        let offset = window_page << PAGE_SHIFT;
        let regions = [self.ram, self.image];
        let is_inside = |region: &Region| {
            u64::from(offset) >= region.offset.into() && u64::from(offset) < region.window_end()
        };
        match regions.iter().any(is_inside) {
            true => Ok(self.window(offset as usize, PAGE_SIZE)),
            false => Err(OutOfRange),
        }
    }

    /// Makes this the memory of another machine, which has decoded nothing from it yet.
    pub(crate) fn forget_code(&mut self) {
        self.has_code.fill(false);
        self.overwritten_code.clear();
    }

    /// Number of the window's first page, and how many there are.
    pub(crate) fn pages(&self) -> (u32, usize) {
        (self.first_page, self.has_code.len())
    }

    /// Marks a window page as a source of decoded code.
    pub(crate) fn mark_code(&mut self, window_page: u32) {
        self.has_code[(window_page - self.first_page) as usize] = true;
    }

    /// Takes the mark back: nothing decoded from the page is left.
    pub(crate) fn unmark_code(&mut self, window_page: u32) {
        self.has_code[(window_page - self.first_page) as usize] = false;
    }

    /// Whether decoded code was made from a window page and the page is unchanged since.
    pub(crate) fn has_code(&self, window_page: u32) -> bool {
        self.has_code[(window_page - self.first_page) as usize]
    }

    /// Window pages whose decoded code is stale by now.
    pub(crate) fn take_overwritten_code(&mut self) -> Option<Vec<u32>> {
        (!self.overwritten_code.is_empty()).then(|| core::mem::take(&mut self.overwritten_code))
    }
}

/// Bytes of the window that an image region of `length` bytes gets when `cache` is the most.
pub fn image_window(length: u64, cache: u64) -> u64 {
    let frames = (cache >> UNIT_SHIFT).max(MIN_FRAMES as u64);
    length.min(frames << UNIT_SHIFT)
}

fn demand(region: Region, source: Box<dyn UnitSource>) -> Demand {
    let frames = region.window as usize >> UNIT_SHIFT;
    Demand::new(source, (region.length >> UNIT_SHIFT) as usize, frames)
}

/// # Safety
/// The range must lie in the window at `base`, and nothing else refer to it.
unsafe fn window_mut<'a>(base: usize, offset: usize, length: usize) -> &'a mut [u8] {
    let start = core::ptr::with_exposed_provenance_mut(base.wrapping_add(offset));
    // SAFETY: the caller's promise.
    unsafe { core::slice::from_raw_parts_mut(start, length) }
}

/// # Safety
/// `region` must have such a frame in the window at `base`, and nothing refer to it.
unsafe fn frame_bytes<'a>(base: usize, region: Region, frame: u32) -> &'a mut [u8; UNIT_SIZE] {
    let offset = region.offset as usize + ((frame as usize) << UNIT_SHIFT);
    // SAFETY: the caller's promise.
    let bytes = unsafe { window_mut(base, offset, UNIT_SIZE) };
    bytes.try_into().unwrap_or_else(|_| unreachable!("it has that length"))
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
