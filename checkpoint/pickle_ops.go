package checkpoint

import (
	"fmt"
	"math"
)

// longInt is an integer of more than 64 bits: its bytes, the lowest first.
type longInt string

// pickleOps are the opcodes, with their names in Python's pickletools.py. load handles STOP itself.
var pickleOps = [256]func(*pickleReader) error{
	0x80: opProto,
	0x95: func(p *pickleReader) error { _, err := p.take(8); return err }, // FRAME
	'(':  func(p *pickleReader) error { p.marks = append(p.marks, len(p.stack)); return nil },
	'0':  func(p *pickleReader) error { _, err := p.pop(); return err },     // POP
	'1':  func(p *pickleReader) error { _, err := p.popMark(); return err }, // POP_MARK

	'N':  func(p *pickleReader) error { return p.push(nil) },
	0x88: func(p *pickleReader) error { return p.push(true) },
	0x89: func(p *pickleReader) error { return p.push(false) },
	'J':  opInt(4), // BININT
	'K':  opInt(1), // BININT1
	'M':  opInt(2), // BININT2
	0x8a: opLong1,
	'G':  opFloat, // BINFLOAT

	'X':  opString(4), // BINUNICODE
	0x8c: opString(1), // SHORT_BINUNICODE
	0x8d: opString(8), // BINUNICODE8
	'T':  opString(4), // BINSTRING
	'U':  opString(1), // SHORT_BINSTRING
	'B':  opBytes(4),  // BINBYTES
	'C':  opBytes(1),  // SHORT_BINBYTES
	0x8e: opBytes(8),  // BINBYTES8

	']':  func(p *pickleReader) error { return p.push(&list{}) },
	'a':  opAppend,
	'e':  opAppends,
	')':  func(p *pickleReader) error { return p.push(tuple{}) },
	't':  opTuple,
	0x85: opTupleOf(1),
	0x86: opTupleOf(2),
	0x87: opTupleOf(3),
	'}':  func(p *pickleReader) error { return p.push(&dict{}) },
	's':  opSetItem,
	'u':  opSetItems,

	'c':  opGlobal,
	0x93: opStackGlobal,
	'R':  opReduce,
	'b':  opBuild,
	'Q':  opPersistent, // BINPERSID

	'q':  opPut(1),                                                  // BINPUT
	'r':  opPut(4),                                                  // LONG_BINPUT
	0x94: func(p *pickleReader) error { return p.put(len(p.memo)) }, // MEMOIZE
	'h':  opGet(1),                                                  // BINGET
	'j':  opGet(4),                                                  // LONG_BINGET
}

func opProto(p *pickleReader) error {
	version, err := p.takeUint(1)
	if err == nil && (version < 2 || version > 5) {
		return fmt.Errorf("pickle protocol %d; 2 to 5 are read", version)
	}
	return err
}

func opInt(size uint64) func(*pickleReader) error {
	return func(p *pickleReader) error {
		x, err := p.takeUint(size)
		if err != nil {
			return err
		}
		if size == 4 {
			return p.push(int64(int32(x)))
		}
		return p.push(int64(x))
	}
}

func opLong1(p *pickleReader) error {
	n, err := p.takeUint(1)
	if err != nil {
		return err
	}
	b, err := p.take(n)
	if err != nil {
		return err
	}
	if n > 8 {
		return p.push(longInt(b))
	}
	x := int64(0)
	if n > 0 {
		x = int64(int8(b[n-1])) // the sign
	}
	for i := int(n) - 2; i >= 0; i-- {
		x = x<<8 | int64(b[i])
	}
	return p.push(x)
}

func opFloat(p *pickleReader) error {
	b, err := p.take(8)
	if err != nil {
		return err
	}
	x := uint64(0)
	for _, c := range b { // the only number that is stored with its highest byte first
		x = x<<8 | uint64(c)
	}
	return p.push(math.Float64frombits(x))
}

// takeCounted returns the bytes after a count of size bytes.
func (p *pickleReader) takeCounted(size uint64) ([]byte, error) {
	n, err := p.takeUint(size)
	if err != nil {
		return nil, err
	}
	return p.take(n)
}

func opString(size uint64) func(*pickleReader) error {
	return func(p *pickleReader) error {
		b, err := p.takeCounted(size)
		if err != nil {
			return err
		}
		return p.push(string(b))
	}
}

func opBytes(size uint64) func(*pickleReader) error {
	return func(p *pickleReader) error {
		b, err := p.takeCounted(size)
		if err != nil {
			return err
		}
		return p.push(b)
	}
}
