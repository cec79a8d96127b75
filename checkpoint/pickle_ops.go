package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"math"
)

// longInt is an integer of more than 64 bits: its bytes, lowest first.
type longInt string

// pickleOps are the opcodes, by the names in Python's pickletools.py. STOP is load's own.
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
	for _, c := range b { // the one number that is stored highest byte first
		x = x<<8 | uint64(c)
	}
	return p.push(math.Float64frombits(x))
}

// takeCounted returns the bytes behind a count of size bytes.
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

func opAppend(p *pickleReader) error {
	v, err := p.pop()
	if err != nil {
		return err
	}
	return p.extend([]any{v})
}

func opAppends(p *pickleReader) error {
	items, err := p.popMark()
	if err != nil {
		return err
	}
	return p.extend(items)
}

// extend puts items behind those of the list on top.
func (p *pickleReader) extend(items []any) error {
	v, err := p.top()
	if err != nil {
		return err
	}
	l, ok := v.(*list)
	if !ok {
		return fmt.Errorf("append to %s", kind(v))
	}
	l.items = append(l.items, items...)
	return nil
}

func opTuple(p *pickleReader) error {
	items, err := p.popMark()
	if err != nil {
		return err
	}
	return p.push(tuple(items))
}

func opTupleOf(n int) func(*pickleReader) error {
	return func(p *pickleReader) error {
		i := len(p.stack) - n
		if i < p.floor() {
			return errors.New("the stack is empty")
		}
		t := append(tuple{}, p.stack[i:]...)
		p.stack = p.stack[:i]
		return p.push(t)
	}
}

func opSetItem(p *pickleReader) error {
	value, err := p.pop()
	if err != nil {
		return err
	}
	key, err := p.pop()
	if err != nil {
		return err
	}
	return p.set([]any{key, value})
}

func opSetItems(p *pickleReader) error {
	items, err := p.popMark()
	if err != nil {
		return err
	}
	return p.set(items)
}

// set puts keys and values, in turn, into the dict on top.
func (p *pickleReader) set(items []any) error {
	v, err := p.top()
	if err != nil {
		return err
	}
	d, ok := v.(*dict)
	if !ok {
		return fmt.Errorf("set an item of %s", kind(v))
	}
	if len(items)%2 != 0 {
		return errors.New("a key without a value")
	}
	for i := 0; i < len(items); i += 2 {
		switch items[i].(type) {
		case nil, bool, int64, longInt, float64, string:
		default:
			return fmt.Errorf("%s as the key of a dict; want a string", kind(items[i]))
		}
		d.keys, d.values = append(d.keys, items[i]), append(d.values, items[i+1])
	}
	return nil
}

// takeLine returns the bytes up to a line end, without it.
func (p *pickleReader) takeLine() (string, error) {
	n := bytes.IndexByte(p.raw[p.at:], '\n')
	if n < 0 {
		return "", errPickleEnd
	}
	line := string(p.raw[p.at : p.at+n])
	p.at += n + 1
	return line, nil
}

func opGlobal(p *pickleReader) error {
	module, err := p.takeLine()
	if err != nil {
		return err
	}
	name, err := p.takeLine()
	if err != nil {
		return err
	}
	return p.pushGlobal(module, name)
}

func opStackGlobal(p *pickleReader) error {
	n, err := p.pop()
	if err != nil {
		return err
	}
	m, err := p.pop()
	if err != nil {
		return err
	}
	module, ok1 := m.(string)
	name, ok2 := n.(string)
	if !ok1 || !ok2 {
		return errors.New("a global whose name is no string")
	}
	return p.pushGlobal(module, name)
}

func (p *pickleReader) pushGlobal(module, name string) error {
	v, err := p.global(module + "." + name)
	if err != nil {
		return err
	}
	return p.push(v)
}

func opReduce(p *pickleReader) error {
	a, err := p.pop()
	if err != nil {
		return err
	}
	f, err := p.pop()
	if err != nil {
		return err
	}
	call, ok := f.(callable)
	if !ok {
		return fmt.Errorf("a call of %s", kind(f))
	}
	args, ok := a.(tuple)
	if !ok {
		return fmt.Errorf("a call with %s; want a tuple", kind(a))
	}
	v, err := call(args)
	if err != nil {
		return err
	}
	return p.push(v)
}

// opBuild drops the attributes of an object: a state dict has its _metadata there, the modules' versions.
func opBuild(p *pickleReader) error {
	if _, err := p.pop(); err != nil {
		return err
	}
	v, err := p.top()
	if err != nil {
		return err
	}
	switch v.(type) {
	case *dict, *torchTensor:
		return nil
	}
	return fmt.Errorf("attributes of %s", kind(v))
}

func opPersistent(p *pickleReader) error {
	id, err := p.pop()
	if err != nil {
		return err
	}
	v, err := p.persistent(id)
	if err != nil {
		return err
	}
	return p.push(v)
}

func (p *pickleReader) put(i int) error {
	v, err := p.top()
	if err == nil {
		p.memo[i] = v
	}
	return err
}

func opPut(size uint64) func(*pickleReader) error {
	return func(p *pickleReader) error {
		i, err := p.takeUint(size)
		if err != nil {
			return err
		}
		return p.put(int(i))
	}
}

func opGet(size uint64) func(*pickleReader) error {
	return func(p *pickleReader) error {
		i, err := p.takeUint(size)
		if err != nil {
			return err
		}
		v, ok := p.memo[int(i)]
		if !ok {
			return fmt.Errorf("nothing was stored as %d", i)
		}
		return p.push(v)
	}
}
