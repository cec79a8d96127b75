package tensor

import (
	"math"
	"unsafe"

	"github.com/spagotune/spagotune/internal/cpu"
)

// pairLanes is the width of a vector of pairs, pairBlock the k of one block of a transposing pack.
const (
	pairLanes = 16
	pairBlock = 32
)

// packPairs writes one vector of lanes, from lane on, k in [k0,k0+kc), to dst as pairs: element dst[i·stride+j] is
// (lane+j, k0+2i) and (lane+j, k0+2i+1), rounded to bfloat16. k0 is even. Lanes past the last are zeros; so are the k up
// to the next multiple of pairBlock.
func (o *operand) packPairs(dst []float32, stride, lane, k0, kc int) {
	lanes := min(pairLanes, o.lanes-lane)
	if o.kMajor {
		mergeRows(o.kind, lanes, kc, o.at(lane, k0), o.ld, &dst[0], stride)
		for i := (kc + 1) / 2; i%(pairBlock/2) != 0; i++ {
			clear(dst[i*stride : i*stride+pairLanes])
		}
		return
	}
	whole := kc / pairBlock
	if lanes < pairLanes || o.kind == bf16 && o.ld%2 != 0 {
		whole = 0
	}
	if whole > 0 {
		transposePairs(o.kind, whole, o.at(lane, k0), o.ld, &dst[0], stride)
	}
	var padded [pairLanes * pairBlock]float32
	p := unsafe.Pointer(&padded)
	const ld = unsafe.Sizeof(padded) / pairLanes // bytes
	for i := whole * pairBlock; i < kc; i += pairBlock {
		n := min(pairBlock, kc-i)
		clear(padded[:])
		for r := range lanes {
			q := unsafe.Add(p, uintptr(r)*ld)
			if o.kind == f32 {
				copy(unsafe.Slice((*float32)(q), n), o.f[(lane+r)*o.ld+k0+i:])
			} else {
				copy(unsafe.Slice((*uint16)(q), n), o.u[(lane+r)*o.ld+k0+i:])
			}
		}
		transposePairs(o.kind, 1, p, int(ld)/o.size(), &dst[i/2*stride], stride)
	}
}

// packTiled writes n rows of A, from lane on, k in [k0,k0+kc), to dst as rows of bfloat16, ld values from row to row; k is
// filled up with zeros to a multiple of pairBlock. block has room for pairLanes·pairLanes.
func (o *operand) packTiled(block []float32, dst []uint16, ld, lane, n, k0, kc int) {
	if !o.kMajor {
		for r := range n {
			narrowRow(dst[r*ld:r*ld+ceil(kc, pairBlock)*pairBlock], o.f[(lane+r)*o.ld+k0:][:kc])
		}
		return
	}
	for k := 0; k < kc; k += pairBlock {
		for r := 0; r < n; r += pairLanes {
			o.packPairs(block, pairLanes, lane+r, k0+k, min(pairBlock, kc-k))
			rows := min(pairLanes, n-r)
			if rows == pairLanes {
				transpose(cpu.AVX512, f32, 1, unsafe.Pointer(&block[0]), pairLanes, (*float32)(unsafe.Pointer(&dst[r*ld+k])), ld/2)
				continue
			}
			for i := range rows {
				out := unsafe.Slice((*float32)(unsafe.Pointer(&dst[(r+i)*ld+k])), pairLanes)
				for j := range out {
					out[j] = block[j*pairLanes+i]
				}
			}
		}
	}
}

// NarrowBF16 rounds len(src) values to bfloat16, as the factors of products are rounded: subnormal numbers become zeros.
func NarrowBF16(dst []uint16, src []float32) {
	dst, whole := dst[:len(src)], 0
	if cpu.UsedUnit != cpu.NoUnit {
		whole = len(src) / pairBlock
	}
	const most = 1 << 9 // blocks of one call, some microseconds
	for b := 0; b < whole; b += most {
		narrow(min(most, whole-b), &src[b*pairBlock], &dst[b*pairBlock])
	}
	for i := whole * pairBlock; i < len(src); i++ {
		dst[i] = uint16(math.Float32bits(rounded1(src[i])) >> 16)
	}
}

// narrowRow rounds a row to bfloat16; what dst is longer becomes zeros.
func narrowRow(dst []uint16, src []float32) {
	whole := len(src) / pairBlock
	if whole > 0 {
		narrow(whole, &src[0], &dst[0])
	}
	if rest := src[whole*pairBlock:]; len(rest) > 0 {
		var padded [pairBlock]float32
		copy(padded[:], rest)
		narrow(1, &padded[0], &dst[whole*pairBlock])
	}
}

// roundBF16 rounds a panel to bfloat16 in place.
func roundBF16(l cpu.Level, x []float32) {
	whole := len(x) / geometries[l].lanes
	if l == cpu.Go || l == cpu.NEON {
		whole = 0
	}
	if whole > 0 {
		roundVectors(l, whole, &x[0])
	}
	for i := whole * geometries[l].lanes; i < len(x); i++ {
		x[i] = rounded1(x[i])
	}
}

// rounded1 is the value of bfloat16 that the units take a number for.
func rounded1(f float32) float32 {
	const least = 0x1p-126 // the least normal number
	if f < least && f > -least {
		return 0 * f // with its sign
	}
	return FromBF16(ToBF16(f))
}
