package op

// scope holds the operators of a Checkpoint from their declaration until the Checkpoint's function has returned. Then the
// readers of each value are known: the operators run in their order, and each buffer is given back after its last reader.
type scope struct {
	pass *Pass
	ops  []*operation
}

// add adds an operation, to be run later.
func (s *scope) add(o *operation) {
	o.out.scope = s
	s.ops = append(s.ops, o)
}

// flush runs what has been declared so far, since a content is read before the end. No buffer is given back, since the
// readers are not known yet.
func (s *scope) flush() {
	for _, o := range s.ops {
		if !o.done {
			o.execute()
		}
	}
}

// run runs all operators. result is what the Checkpoint's function has returned; own is the value that nothing else reads, or
// nil. If the result is known, operators that only compute the result are not run.
func (s *scope) run(result, own, known *Tensor) {
	s.pass.scope = nil
	if known != nil {
		s.skip(result, known)
	}
	result.reads++ // by the caller
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

// skip marks the operators that need not run if the result is known: the one that computes it, and those whose values only
// such operators read.
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

// last is called for a value after its last reader in the forward pass. Without a backward pass its buffer is free. If one
// follows, it is free too if the value is cheap to compute and all its readers can fetch it; but not if the Checkpoint is run
// again, since then the backward pass is next. A value of which bfloat16 is enough is packed.
func (s *scope) last(v *Tensor) {
	switch {
	case !s.pass.Grad:
		v.pass.Free(v)
	case v.droppable() && !s.pass.again && v.scope == s:
		v.dropped = true
		v.pass.Free(v)
	case v.packable() && !s.pass.again && v.scope == s:
		v.pack()
	}
}
