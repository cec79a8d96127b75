package op

// Footprint is the memory that a Checkpoint holds, in float32 values.
type Footprint struct {
	// Result is the size of its result. Kept is what it keeps for the backward pass: the result is included, the operand is
	// not.
	Result, Kept int
	// Backward is the most that the backward pass holds in addition to Kept. Again is the most that it holds in addition to
	// Result if the Checkpoint is run again.
	Backward, Again int
	// Forward is the most that the forward pass holds at once if no backward pass follows, operand and result included.
	Forward int
}

// Footprints are those of the Checkpoints that f runs, in their order. No operator is run, and values have no content. Every
// value counts as one that wants a gradient. bf16 says that the pass has BF16.
func Footprints(bf16 bool, f func(p *Pass)) []Footprint {
	m := &meter{}
	f(&Pass{Grad: true, BF16: bf16, meter: m})
	return m.found
}

// CacheFootprint is what a KV of a layer holds of a document.
type CacheFootprint struct {
	// Values is the number of float32 values for each token.
	Values int
	// Window is the layer's window, of which a bounded KV keeps the tokens, and WindowChunk more; 0 is all tokens.
	Window int
}

// CacheFootprints are those of the layers of a decoder that f runs, in their order. No operator is run.
func CacheFootprints(f func(p *Pass)) []CacheFootprint {
	m := &meter{}
	f(&Pass{Grad: true, meter: m})
	return m.caches
}

// meter is in a pass that computes nothing.
type meter struct {
	found  []Footprint
	caches []CacheFootprint
}

// cache notes what a layer would cache.
func (m *meter) cache(values, window int) {
	if m != nil {
		m.caches = append(m.caches, CacheFootprint{values, window})
	}
}

// measure estimates what the scope's operators hold, by the same rules as run.
func (s *scope) measure(result, own *Tensor) {
	s.pass.scope = nil
	f := Footprint{Result: result.Size(), Kept: s.kept(result), Forward: s.forwardPeak(result, own), Backward: s.backwardPeak(result)}
	s.pass.again = true // nothing is dropped, and the result exists
	f.Again = s.kept(result) - result.Size() + s.backwardPeak(result)
	s.pass.again = false
	s.pass.meter.found = append(s.pass.meter.found, f)
	for _, o := range s.ops {
		o.out.scope = nil
	}
}

// stays says whether a value has a buffer after the forward pass: it is not dropped, and no sum has taken its buffer.
func (s *scope) stays(v, result *Tensor) bool {
	if v == result {
		return true
	}
	for _, o := range s.ops {
		if o.sums && o.taken() == v {
			return false
		}
	}
	return s.pass.again || !v.droppable()
}

// stay is the size of what stays of a value after the forward pass.
func (s *scope) stay(v, result *Tensor) int {
	switch {
	case !s.stays(v, result):
		return 0
	case v != result && !s.pass.again && v.packable():
		return v.rows * ((v.cols + 1) / 2)
	}
	return v.Size()
}

// unpacks is the size of the content that a reader in the backward pass unpacks.
func (x *Tensor) unpacks() int {
	if x == nil || !x.packable() {
		return 0
	}
	return x.Size()
}

// taken is the operand whose buffer a sum takes where a backward pass follows.
func (o *operation) taken() *Tensor {
	for i := len(o.values) - 1; i >= 0; i-- {
		if v := o.values[i]; v.readers == 1 && !v.saved && v.scope == o.out.scope {
			return v
		}
	}
	return nil
}

// kept is what the backward pass will need.
func (s *scope) kept(result *Tensor) int {
	n := 0
	for _, o := range s.ops {
		n += o.keeps + s.stay(o.out, result)
	}
	return n
}

// forwardPeak is the most that is held at once if each value is freed after its last reader, own too.
func (s *scope) forwardPeak(result, own *Tensor) int {
	reads := map[*Tensor]int{result: 1}
	for _, o := range s.ops {
		for _, v := range o.values {
			reads[v]++
		}
	}
	held, peak := 0, 0
	if own != nil {
		held = own.Size()
	}
	for _, o := range s.ops {
		held += o.out.Size()
		peak = max(peak, held+o.keeps)
		for _, v := range o.values {
			if reads[v]--; reads[v] == 0 && (v.scope == s || v == own) {
				held -= v.Size()
			}
		}
	}
	return peak
}

// gradient is a buffer in the estimate of a backward pass: hands counts the values whose gradient it is.
type gradient struct{ size, hands int }

// backwardPeak is the most that the backward pass holds in addition to what was kept: gradients, and values computed again.
func (s *scope) backwardPeak(result *Tensor) int {
	grads := map[*Tensor]*gradient{result: {size: result.Size(), hands: 1}}
	held, peak := result.Size(), 0
	drop := func(g *gradient) {
		if g.hands--; g.hands == 0 {
			held -= g.size
		}
	}
	for i := len(s.ops) - 1; i >= 0; i-- {
		o := s.ops[i]
		g := grads[o.out]
		if g == nil { // nothing reads the value
			continue
		}
		made, unpacked := []*gradient(nil), 0
		if len(o.values) > 0 && !s.pass.again {
			v := o.values[0]
			if o.fetches && v.droppable() {
				peak = max(peak, held+v.Size()+v.source.unpacks())
			}
			if o.rounds != inFull {
				unpacked = v.unpacks()
			}
		}
		for _, v := range o.values {
			n := g
			if o.sums || o.inPlace {
				g.hands++
			} else {
				n = &gradient{size: v.Size(), hands: 1}
				held += n.size
			}
			made = append(made, n)
		}
		peak = max(peak, held+unpacked)
		held -= o.keeps + s.stay(o.out, result)
		drop(g)
		for k, v := range o.values {
			if grads[v] != nil { // two gradients become one
				drop(made[k])
			} else {
				grads[v] = made[k]
			}
		}
	}
	return peak
}
