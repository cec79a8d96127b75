package op

// scope is the operators of a Checkpoint, from their declaration until its function has returned. Then it is known who
// reads each value, and they are run in their order; a buffer is given back after its last reader.
type scope struct {
	pass *Pass
	ops  []*operation
}

// add takes an operation that is to be run later.
func (s *scope) add(o *operation) {
	o.out.scope = s
	s.ops = append(s.ops, o)
}

// flush runs what has been declared so far, since somebody reads a content before the end. Nothing is given back: who
// reads what is not known yet.
func (s *scope) flush() {
	for _, o := range s.ops {
		if !o.done {
			o.execute()
		}
	}
}

// run runs all operators; result is what the Checkpoint's function has returned, own the value that it alone reads (nil:
// none). Where the result is known, what only makes the result is not run.
func (s *scope) run(result, own, known *Tensor) {
	s.pass.scope = nil
	if known != nil {
		s.skip(result, known)
	}
	result.reads++ // by whoever asked for it
	for _, o := range s.ops {
		if !o.done {
			o.execute()
		}
		o.read(func(v *Tensor) {
			if v.scope == s || v == own {
				s.last(v)
			}
		})
		if o.out.reads == 0 {
			s.last(o.out)
		}
	}
	result.reads--
	for _, o := range s.ops {
		o.out.scope = nil
	}
}

// skip marks the operators that need not be run where the result is known: the one that makes it, and those whose values
// are for such operators alone.
func (s *scope) skip(result, known *Tensor) {
	needed := map[*Tensor]bool{}
	for i := len(s.ops) - 1; i >= 0; i-- {
		o := s.ops[i]
		if o.pure && !o.Saves && !needed[o.out] {
			o.done = true
			if o.out == result {
				o.out.own(known.span, known.m)
			}
			if o.fetches { // the backward pass reads its operand
				needed[o.values[0]] = true
			}
			continue
		}
		for _, v := range o.values {
			needed[v] = true
		}
	}
}

// last is told that a value has had its last reader of the forward pass. Without a backward pass the buffer is free. Where
// one follows, so it is for a value that is cheap to make and that all its readers can fetch; but where the Checkpoint is
// run again the backward pass is next: it stays.
func (s *scope) last(v *Tensor) {
	switch {
	case !s.pass.Grad:
		v.pass.Free(v)
	case v.droppable() && !s.pass.again && v.scope == s:
		v.dropped = true
		v.pass.Free(v)
	}
}
