package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
)

// The opcodes that name globals, call them, and store values to be used again.

// takeLine returns the bytes up to the end of the line.
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
		return errors.New("a global whose name is not a string")
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

// opBuild drops the attributes of an object. In a state dict they are _metadata, the versions of the modules.
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
