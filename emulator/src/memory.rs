//! Guest-physical memory: RAM and the root image, both in one window of host addresses.
//!
//! The window spans less than 4 GiB, so an offset in it is a `u32`: the TLB stores window page
//! numbers. On wasm32 the window is the linear memory itself and starts at address 0, which
//! makes a window offset and an address the same number.
//!
//! Every access here is checked; only the TLB fast path of the interpreter goes to the window
//! directly, with offsets that this module handed out.

use alloc::alloc::{Layout, alloc_zeroed};
use alloc::vec;
use alloc::vec::Vec;

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
    /// Where it starts in the window; page aligned.
    pub offset: u32,
}

impl Region {
    /// The window offset of `address` when `length` bytes from there lie in this region.
    fn offset_of(&self, address: u64, length: u64) -> Option<usize> {
        let inside = address.checked_sub(self.start)?;
        (inside <= self.length && length <= self.length - inside)
            .then(|| self.offset as usize + inside as usize)
    }
}

/// RAM and root image of a guest.
pub struct GuestMemory {
    /// Host address of the window's first byte.
    base: usize,
    ram: Region,
    image: Region,
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
        let ram_pages = ram_length.div_ceil(PAGE_SIZE as u64);
        let image_pages = image_length.div_ceil(PAGE_SIZE as u64);
        let pages = ram_pages.checked_add(image_pages).ok_or(AllocateError::TooLarge)?;
        if pages >= 1 << (32 - PAGE_SHIFT) {
            return Err(AllocateError::TooLarge);
        }
        // Zeros from the allocator are untouched memory of the operating system, as long as no
        // alignment is asked for: so one page more, and the alignment by hand.
        let owned = zeros((pages as usize + 1) << PAGE_SHIFT)?;
        let image = Region { start: image_start, length: image_pages << PAGE_SHIFT, offset: 0 };
        let ram = Region {
            start: ram_start,
            length: ram_pages << PAGE_SHIFT,
            offset: (image_pages << PAGE_SHIFT) as u32,
        };
        let base = owned.as_ptr().expose_provenance().next_multiple_of(PAGE_SIZE);
        Ok(Self::assemble(base, ram, image, Some(owned)))
    }

    /// Takes memory that exists already at host address `base`.
    ///
    /// # Safety
    /// Both regions must lie in memory that is valid for reads and writes for the life of the
    /// result, that nothing else refers to, and that does not overlap itself.
    pub unsafe fn from_window(base: usize, ram: Region, image: Region) -> Self {
        Self::assemble(base, ram, image, None)
    }

    fn assemble(base: usize, ram: Region, image: Region, owned: Option<Vec<u8>>) -> Self {
        let first_page = ram.offset.min(image.offset) >> PAGE_SHIFT;
        let end = (u64::from(ram.offset) + ram.length).max(u64::from(image.offset) + image.length);
        let pages = (end >> PAGE_SHIFT) as usize - first_page as usize;
        Self {
            base,
            ram,
            image,
            has_code: vec![false; pages],
            first_page,
            overwritten_code: Vec::new(),
            _owned: owned,
        }
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

    /// Window offset of `length` bytes at guest-physical `address`.
    #[inline]
    fn offset_of(&self, address: u64, length: usize) -> Result<usize, OutOfRange> {
        let length = length as u64;
        self.ram
            .offset_of(address, length)
            .or_else(|| self.image.offset_of(address, length))
            .ok_or(OutOfRange)
    }

    /// The window page that backs guest-physical `address`, if it is memory.
    #[inline]
    pub(crate) fn window_page(&self, address: u64) -> Option<u32> {
        let page = address & !(PAGE_SIZE as u64 - 1);
        self.offset_of(page, PAGE_SIZE).ok().map(|offset| (offset >> PAGE_SHIFT) as u32)
    }

    /// The bytes at a guest-physical address.
    ///
    /// # Errors
    /// [`OutOfRange`] when any of them is not memory.
    #[inline]
    pub fn slice(&self, address: u64, length: usize) -> Result<&[u8], OutOfRange> {
        let offset = self.offset_of(address, length)?;
        // SAFETY: `offset_of` has shown the range to lie inside a region, which is valid memory
        // by `allocate` or the contract of `from_window`; `&self` keeps writers away.
        Ok(unsafe {
            core::slice::from_raw_parts(
                core::ptr::with_exposed_provenance(self.base.wrapping_add(offset)),
                length,
            )
        })
    }

    /// The bytes at a guest-physical address, to be written: code decoded from their pages is
    /// reported as overwritten.
    ///
    /// # Errors
    /// [`OutOfRange`] when any of them is not memory.
    #[inline]
    pub fn slice_mut(&mut self, address: u64, length: usize) -> Result<&mut [u8], OutOfRange> {
        let offset = self.offset_of(address, length)?;
        self.note_write(offset, length);
        // SAFETY: as in `slice`; `&mut self` makes this the only reference.
        Ok(unsafe {
            core::slice::from_raw_parts_mut(
                core::ptr::with_exposed_provenance_mut(self.base.wrapping_add(offset)),
                length,
            )
        })
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
    pub fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), OutOfRange> {
        buffer.copy_from_slice(self.slice(address, buffer.len())?);
        Ok(())
    }

    /// Copies bytes into guest memory.
    ///
    /// # Errors
    /// [`OutOfRange`] when any of them is not memory; nothing is then written.
    pub fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), OutOfRange> {
        self.slice_mut(address, bytes.len())?.copy_from_slice(bytes);
        Ok(())
    }

    /// A little-endian number of `N` bytes.
    ///
    /// # Errors
    /// [`OutOfRange`] when it is not in memory.
    #[inline]
    pub fn read_array<const N: usize>(&self, address: u64) -> Result<[u8; N], OutOfRange> {
        let mut bytes = [0; N];
        self.read(address, &mut bytes)?;
        Ok(bytes)
    }

    /// Guest-physical address of a window offset.
    pub(crate) fn physical(&self, offset: u32) -> Option<u64> {
        [self.ram, self.image].into_iter().find_map(|region| {
            let inside = offset.checked_sub(region.offset)?;
            (u64::from(inside) < region.length).then(|| region.start + u64::from(inside))
        })
    }

    /// The bytes of a window page.
    pub(crate) fn page(&self, window_page: u32) -> Result<&[u8], OutOfRange> {
        let address = self.physical(window_page << PAGE_SHIFT).ok_or(OutOfRange)?;
        self.slice(address, PAGE_SIZE)
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

#[cfg(test)]
mod tests {
    use super::*;

    const RAM: u64 = 0x8000_0000;
    const IMAGE: u64 = 0x4_0000_0000;

    fn memory() -> GuestMemory {
        GuestMemory::allocate(RAM, 0x4000, IMAGE, 0x2000).unwrap()
    }

    #[test]
    fn both_regions_hold_what_was_written() {
        let mut memory = memory();
        memory.write(RAM + 0x3ffc, &[1, 2, 3, 4]).unwrap();
        memory.write(IMAGE, &[5]).unwrap();
        assert_eq!(memory.read_array(RAM + 0x3ffc), Ok([1, 2, 3, 4]));
        assert_eq!(memory.read_array(IMAGE), Ok([5]));
    }

    #[test]
    fn no_access_reaches_past_a_region() {
        let mut memory = memory();
        for (address, length) in
            [(RAM - 1, 1), (RAM + 0x3fff, 2), (RAM, 0x4001), (IMAGE + 0x2000, 1), (u64::MAX, 2)]
        {
            assert_eq!(memory.slice(address, length), Err(OutOfRange), "{address:#x}+{length}");
            assert!(memory.slice_mut(address, length).is_err());
        }
    }

    #[test]
    fn a_write_over_decoded_code_is_reported_once() {
        let mut memory = memory();
        let page = memory.window_page(RAM + 0x1000).unwrap();
        memory.mark_code(page);
        memory.write(RAM + 0xfff, &[0, 0]).unwrap();
        memory.write(RAM + 0x1800, &[0]).unwrap();
        assert_eq!(memory.take_overwritten_code(), Some(vec![page]));
        assert_eq!(memory.take_overwritten_code(), None);
    }

    #[test]
    fn more_than_the_window_is_refused() {
        assert!(GuestMemory::allocate(RAM, 1 << 32, IMAGE, 0).is_err());
        assert!(GuestMemory::allocate(RAM, u64::MAX, IMAGE, u64::MAX).is_err());
        assert_eq!(
            zeros(isize::MAX as usize),
            Err(AllocateError::OutOfMemory(isize::MAX as usize))
        );
        assert_eq!(zeros(3), Ok(vec![0; 3]));
    }
}
