package model

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/spagotune/spagotune/internal/numeric"
)

// beam is a text. Its score is its log-probability, divided, when it has ended, by its length to the power of the penalty.
type beam struct {
	ids    []int32 // after the prompt
	score  float32
	parent int // the document of the cache that it continues
}

// search is a beam search (Sutskever et al. 2014, section 3.2) for one prompt, with the rules of transformers' generate.
type search struct {
	s          GenerationConfig
	start      []int32
	room       int
	running    []beam // the best first
	ended      []beam // the best first, at most NumBeams
	candidates []beam
}

// beams generates the texts by beam searches side by side. The cache's documents are the running beams of the live prompts.
func (g *generation) beams(ctx context.Context) error {
	searches := make([]*search, len(g.starts))
	next, err := g.share(ctx)
	if err != nil {
		return err
	}
	owner := slices.Clone(g.live)
	for i, p := range g.starts {
		searches[i] = &search{s: g.s, start: p, room: g.room(i), running: []beam{{}}}
	}
	at := make([]int, len(g.starts)) // the first document of each search
	for len(next) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		for i := len(owner) - 1; i >= 0; i-- {
			at[owner[i]] = i
		}
		g.renew(next, func(i int) []int32 {
			s := searches[owner[i]]
			return slices.Concat(s.start, s.running[i-at[owner[i]]].ids)
		})
		err := g.each(next, func(i int, logits []float32) { searches[owner[i]].extend(i-at[owner[i]], i, logits) })
		if err != nil {
			return err
		}
		next, owner = g.advance(searches, owner)
	}
	return nil
}

// advance moves the searches on by a token. It returns the tokens that the running beams read next, and the search of each.
func (g *generation) advance(searches []*search, owner []int) (next [][]int32, owners []int) {
	var parents []int
	for _, p := range slices.Compact(owner) {
		s := searches[p]
		if !s.step() {
			g.settle(p, s)
			continue
		}
		for _, b := range s.running {
			next = append(next, b.ids[len(b.ids)-1:])
			parents = append(parents, b.parent)
			owners = append(owners, p)
		}
	}
	g.cache.Reorder(parents)
	return next, owners
}

// settle outputs the best text of a search.
func (g *generation) settle(p int, s *search) {
	best := s.running
	if len(s.ended) > 0 {
		best = s.ended
	}
	for _, id := range best[0].ids {
		if slices.Contains(g.s.EOSTokenIDs, id) {
			return
		}
		g.out[p] = append(g.out[p], id)
		if g.emit != nil && !g.emit(p, id) {
			return
		}
	}
}

// kept is the number of continuations in a step: enough for NumBeams to go on although some texts may end.
func (s *search) kept() int { return max(2, 1+len(s.s.EOSTokenIDs)) * s.s.NumBeams }

// extend adds the best continuations of a running beam, which is that document of the cache, to the candidates.
func (s *search) extend(beamNumber, document int, logits []float32) {
	b := s.running[beamNumber]
	numeric.LogSoftmax(logits)
	s.s.process(logits, slices.Concat(s.start, b.ids), s.room)
	for _, id := range numeric.TopN(logits, s.kept()) {
		if logits[id] == never {
			break
		}
		s.candidates = append(s.candidates, beam{append(slices.Clone(b.ids), int32(id)), logits[id] + b.score, document})
	}
}

// step turns the candidates into running and ended texts, and says whether the search goes on.
func (s *search) step() bool {
	c := s.candidates
	s.candidates = nil
	slices.SortStableFunc(c, func(a, b beam) int { return cmp.Compare(b.score, a.score) })
	c = c[:min(len(c), s.kept())]
	running := s.running
	s.running = nil
	for i, b := range c {
		switch n := len(b.ids); {
		case !slices.Contains(s.s.EOSTokenIDs, b.ids[n-1]) && len(s.start)+n < s.room:
			if len(s.running) < s.s.NumBeams {
				s.running = append(s.running, b)
			}
		case i < s.s.NumBeams:
			b.score = s.s.penalized(b.score, n)
			s.ended = append(s.ended, b)
		}
	}
	slices.SortStableFunc(s.ended, func(a, b beam) int { return cmp.Compare(b.score, a.score) })
	s.ended = s.ended[:min(len(s.ended), s.s.NumBeams)]
	if len(s.running) == 0 {
		s.running = running
		return false
	}
	return s.goesOn()
}

// goesOn says whether a running text may still become better than those that have ended.
func (s *search) goesOn() bool {
	if len(s.ended) < s.s.NumBeams {
		return true
	}
	length := len(s.running[0].ids)
	if s.s.EarlyStopping == "never" && s.s.LengthPenalty > 0 {
		length = s.room - len(s.start)
	}
	worst := s.ended[len(s.ended)-1].score
	return s.s.EarlyStopping != "true" && s.s.penalized(s.running[0].score, length) > worst
}

// penalized is a log-probability divided by the length to the power of the penalty.
func (s GenerationConfig) penalized(score float32, length int) float32 {
	return score / float32(math.Pow(float64(length), s.LengthPenalty))
}
