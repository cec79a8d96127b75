package op

import (
	"sync"
	"time"
)

// Profile collects how long operators took, by kind. Its methods may be called from several goroutines.
type Profile struct {
	mu    sync.Mutex
	spent map[string]time.Duration
}

// Add adds a time to a kind.
func (p *Profile) Add(kind string, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.spent == nil {
		p.spent = map[string]time.Duration{}
	}
	p.spent[kind] += d
}

// Spent is the time by kind so far.
func (p *Profile) Spent() map[string]time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	spent := make(map[string]time.Duration, len(p.spent))
	for k, d := range p.spent {
		spent[k] = d
	}
	return spent
}

func nothing() {}

// Time measures until stop is called. Calls must not be nested, or the time counts twice.
func (p *Pass) Time(kind string) (stop func()) {
	if p.Profile == nil {
		return nothing
	}
	if p.again {
		kind = "recomputation"
	}
	began := time.Now()
	return func() { p.Profile.Add(kind, time.Since(began)) }
}
