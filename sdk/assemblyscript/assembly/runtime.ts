// How a module takes memory: each event has a fresh instance, so it is only ever taken. The compiler's own runtimes work out where to
// begin in a start function, which no module may have.

/** What stands before an object: its class and its size are the last eight bytes, where the compiler expects them. */
const HEADER: usize = 16;
const ALIGNED: usize = 15;

/** The next free byte; 0 before the first is taken. */
let top: usize = 0;

function take(size: usize): usize {
  if (size > 0xf_0000) unreachable();
  const begin = top == 0 ? (__heap_base + ALIGNED) & ~ALIGNED : top;
  const end = begin + ((HEADER + size + ALIGNED) & ~ALIGNED);
  const missing = <isize>end - <isize>(<usize>memory.size() << 16);
  if (missing > 0 && memory.grow(<i32>((missing + 0xffff) >> 16)) < 0) unreachable();
  top = end;
  store<u32>(begin + HEADER - 4, <u32>size);
  return begin + HEADER;
}

// @ts-ignore: decorator
@global @unsafe
export function __alloc(size: usize): usize {
  return take(size);
}

// @ts-ignore: decorator
@global @unsafe
export function __realloc(before: usize, size: usize): usize {
  const place = take(size);
  memory.copy(place, before, size < <usize>load<u32>(before - 4) ? size : <usize>load<u32>(before - 4));
  return place;
}

// @ts-ignore: decorator
@global @unsafe
export function __free(_place: usize): void {}

// @ts-ignore: decorator
@global @unsafe
export function __new(size: usize, id: u32): usize {
  const place = take(size);
  store<u32>(place - 8, id);
  return place;
}

// @ts-ignore: decorator
@global @unsafe
export function __renew(before: usize, size: usize): usize {
  const place = __realloc(before, size);
  store<u32>(place - 8, load<u32>(before - 8));
  return place;
}

// @ts-ignore: decorator
@global @unsafe
export function __link(_parent: usize, _child: usize, _several: bool): void {}

// @ts-ignore: decorator
@global @unsafe
export function __pin(place: usize): usize {
  return place;
}

// @ts-ignore: decorator
@global @unsafe
export function __unpin(_place: usize): void {}

// @ts-ignore: decorator
@global @unsafe
function __visit(_place: usize, _cookie: u32): void {}

// @ts-ignore: decorator
@global @unsafe
export function __collect(): void {}
