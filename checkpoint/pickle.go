package checkpoint

import (
	"errors"
	"fmt"
	"strconv"
)

// maxPickle is the size of the largest pickle that is read, in bytes. Values take up to about 100 times as many bytes
// as the pickle that makes them. The pickle of a state dict has about 150 bytes per tensor, however large the tensor
// is.
const maxPickle = 16 << 20

// pickleReader runs the part of Python's pickle language that state dicts are written in (protocols 2 to 5; Python's
// pickletools.py describes each opcode). It does not call any Python: a global is one of those in a table, or an error.
// The values that it builds share their parts and never copy them, so memory is bounded by the length of raw. Cycles
// are possible, so do not walk a value all the way down.
type pickleReader struct {
	raw []byte
	at  int
	// stack has nil, bool, int64, float64, string, []byte, tuple, *list, *dict, and what the two functions below
	// return.
	stack []any
	marks []int
	memo  map[int]any
	// global returns the meaning of module.name.
	global func(name string) (any, error)
	// persistent returns what an id, usually a tuple, stands for.
	persistent func(id any) (any, error)
}

type (
	tuple []any
	list  struct{ items []any }
	// dict keeps its pairs in the order in which they were set. Of equal keys, the last counts.
	dict struct{ keys, values []any }
	// callable is a global that REDUCE may call.
	callable func(args tuple) (any, error)
)

var errPickleEnd = errors.New("the pickle ends early")

// load runs one pickle, from the reader's position up to and including its STOP.
func (p *pickleReader) load() (any, error) {
	p.stack, p.marks, p.memo = nil, nil, map[int]any{}
	for {
		start := p.at
		code, err := p.take(1)
		if err != nil {
			return nil, err
		}
		if code[0] == '.' {
			return p.pop()
		}
		op := pickleOps[code[0]]
		if op == nil {
			return nil, fmt.Errorf("pickle, byte %d: opcode %#02x is not one that a state dict needs", start, code[0])
		}
		if err := op(p); err != nil {
			return nil, fmt.Errorf("pickle, byte %d: %w", start, err)
		}
	}
}

// take returns the next n bytes, in place.
func (p *pickleReader) take(n uint64) ([]byte, error) {
	if n > uint64(len(p.raw)-p.at) {
		return nil, errPickleEnd
	}
	b := p.raw[p.at : p.at+int(n) : p.at+int(n)]
	p.at += int(n)
	return b, nil
}

// takeUint returns the next n bytes, at most 8, as a number.
func (p *pickleReader) takeUint(n uint64) (uint64, error) {
	b, err := p.take(n)
	if err != nil {
		return 0, err
	}
	x := uint64(0)
	for i := len(b) - 1; i >= 0; i-- {
		x = x<<8 | uint64(b[i])
	}
	return x, nil
}

func (p *pickleReader) push(v any) error {
	p.stack = append(p.stack, v)
	return nil
}

// floor returns the index in the stack at which the part above the last mark begins.
func (p *pickleReader) floor() int {
	if len(p.marks) == 0 {
		return 0
	}
	return p.marks[len(p.marks)-1]
}

// top returns the topmost value above the last mark.
func (p *pickleReader) top() (any, error) {
	if len(p.stack) <= p.floor() {
		return nil, errors.New("the stack is empty")
	}
	return p.stack[len(p.stack)-1], nil
}

func (p *pickleReader) pop() (any, error) {
	v, err := p.top()
	if err == nil {
		p.stack = p.stack[:len(p.stack)-1]
	}
	return v, err
}

// popMark removes the last mark and everything above it, which it returns.
func (p *pickleReader) popMark() ([]any, error) {
	if len(p.marks) == 0 {
		return nil, errors.New("no mark on the stack")
	}
	i := p.floor()
	p.marks = p.marks[:len(p.marks)-1]
	items := append([]any{}, p.stack[i:]...)
	p.stack = p.stack[:i]
	return items, nil
}

// get returns the value of a key, and whether there is one.
func (d *dict) get(key string) (any, bool) {
	for i := len(d.keys) - 1; i >= 0; i-- {
		if d.keys[i] == any(key) {
			return d.values[i], true
		}
	}
	return nil, false
}

// kind describes a value in a message. The value itself may be infinitely large.
func kind(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		return "a bool"
	case int64, longInt:
		return "an integer"
	case float64:
		return "a float"
	case string:
		return fmt.Sprintf("the string %s", quoted(v))
	case []byte:
		return "bytes"
	case tuple:
		return fmt.Sprintf("a tuple of %d", len(v))
	case *list:
		return "a list"
	case *dict:
		return "a dict"
	case callable:
		return "a function"
	case *torchStorage:
		return "a storage"
	case *torchTensor:
		return "a tensor"
	}
	return "a type"
}

// quoted quotes a string. If it is very long, it quotes the beginning.
func quoted(s string) string {
	const most = 120
	if len(s) > most {
		return strconv.Quote(s[:most]) + "…"
	}
	return strconv.Quote(s)
}
