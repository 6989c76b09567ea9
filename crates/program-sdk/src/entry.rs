//! The module's exports besides `act`: its memory, and the buffer that the input is written to.
//!
//! Each event has an instance of its own, so memory is only ever taken and never given back.

#![allow(unsafe_code)]

use crate::Program;
use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;

/// Room for the input: the ledger gives no longer one.
pub const BUFFER_BYTES: usize = 96 * 1024;
const PAGE_BYTES: usize = 64 * 1024;

/// Bytes that the ledger writes to.
#[repr(C, align(16))]
pub struct Buffer(UnsafeCell<[u8; BUFFER_BYTES]>);

// A module has one thread.
unsafe impl Sync for Buffer {}

/// Where the input is written to.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
pub static buffer: Buffer = Buffer(UnsafeCell::new([0; BUFFER_BYTES]));

/// Runs the program.
pub fn run<P: Program>(len: u32) -> u64 {
    let len = (len as usize).min(BUFFER_BYTES);
    // The ledger writes to the buffer before it calls, and never while the program runs.
    let input = unsafe { core::slice::from_raw_parts(buffer.0.get().cast::<u8>(), len) };
    let answer = crate::answer::<P>(input).leak();
    (answer.as_ptr() as u64) << 32 | answer.len() as u64
}

struct Bump;

struct Top(UnsafeCell<(usize, usize)>);
unsafe impl Sync for Top {}

/// The next free byte, and the end of what has been taken of the memory.
static TOP: Top = Top(UnsafeCell::new((0, 0)));

unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let top = unsafe { &mut *TOP.0.get() };
        let begin = top.0.wrapping_add(layout.align() - 1) & !(layout.align() - 1);
        let end = begin.wrapping_add(layout.size());
        if end > top.1 || top.1 == 0 {
            let pages = layout.size().div_ceil(PAGE_BYTES).max(1);
            let before = core::arch::wasm32::memory_grow(0, pages);
            if before == usize::MAX {
                return core::ptr::null_mut();
            }
            // Nobody else grows the memory, so what is new follows what was there.
            let begin = if top.1 == before * PAGE_BYTES && top.1 != 0 { begin } else { before * PAGE_BYTES };
            *top = (begin + layout.size(), (before + pages) * PAGE_BYTES);
            return begin as *mut u8;
        }
        top.0 = end;
        begin as *mut u8
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: Bump = Bump;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}
