package checkpoint

import (
	"errors"
	"fmt"
)

// The opcodes that make and fill lists, tuples and dicts.

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

// extend appends items to the list on top.
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

// set puts pairs of a key and a value into the dict on top.
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
