package infer

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/internal/ranktest"
	"github.com/spagotune/spagotune/tasks"
)

// Every rank gets all results in order, whatever their number; an error is told with the rank that has it.
func TestShare(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		size, n, failing int
		giveFails        bool
		want             string
	}{
		"alone":       {size: 0, n: 5, failing: -1},
		"one":         {size: 1, n: 5, failing: -1},
		"two":         {size: 2, n: 5, failing: -1},
		"few":         {size: 4, n: 2, failing: -1},
		"none":        {size: 3, n: 0, failing: -1},
		"do fails":    {size: 3, n: 7, failing: 4, want: "rank 1: broken"},
		"rank 0":      {size: 3, n: 7, failing: 3, want: "broken"},
		"alone fails": {size: 0, n: 7, failing: 3, want: "broken"},
		"give fails":  {size: 2, n: 5, failing: 2, giveFails: true, want: "broken"},
	} {
		t.Run(name, func(t *testing.T) {
			run := func(ranks Ranks) error {
				var got []string
				err := Share(ranks, c.n, func(i int) (string, error) {
					if i == c.failing && !c.giveFails {
						return "", broken
					}
					return fmt.Sprint("part ", i), nil
				}, func(i int, result string) error {
					if i == c.failing {
						return broken
					}
					got = append(got, result)
					return nil
				})
				var want []string
				for i := range c.n {
					want = append(want, fmt.Sprint("part ", i))
				}
				if err == nil && !slices.Equal(got, want) {
					t.Errorf("got %v, want %v", got, want)
				}
				return err
			}
			errs := []error{}
			if c.size == 0 {
				errs = append(errs, run(nil))
			} else {
				_, errs = ranktest.Run(c.size, func(r ranktest.Rank) error { return run(r) })
			}
			for rank, err := range errs {
				if text := fmt.Sprint(err); c.want == "" && err != nil || c.want != "" && text != c.want {
					t.Errorf("rank %d: %v, want %q", rank, err, c.want)
				}
				if c.want != "" && c.size > 0 && !c.giveFails && !errors.Is(err, ErrAllRanks) {
					t.Errorf("rank %d: %v does not end all ranks", rank, err)
				}
			}
		})
	}
}

// A rank that fails where the others exchange something of another type ends all.
func TestExchangeOtherTypes(t *testing.T) {
	_, errs := ranktest.Run(2, func(r ranktest.Rank) error {
		if r.Rank() == 1 {
			_, err := Exchange(r, struct{}{}, errors.New("no file"))
			return err
		}
		_, err := FromFirst(r, []int{1, 2}, nil)
		return err
	})
	for rank, err := range errs {
		if !errors.Is(err, ErrAllRanks) || err.Error() != "rank 1: no file" {
			t.Errorf("rank %d: %v", rank, err)
		}
	}
}

// The loss of a session is that of one process, to the bit; other rows are refused.
func TestLossOnRanks(t *testing.T) {
	s, err := Open(t.Context(), Embedded, "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	tok, err := s.Tokenizer()
	if err != nil {
		t.Fatal(err)
	}
	task, err := tasks.New("memory", map[string]any{"pairs": 9})
	if err != nil {
		t.Fatal(err)
	}
	rows, _, err := tasks.EncodeAll(tok, nil, task, tasks.Train, 0)
	if err != nil {
		t.Fatal(err)
	}
	want, err := s.Loss(t.Context(), rows, 40)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{1, 2, 3} {
		_, errs := ranktest.Run(size, func(r ranktest.Rank) error {
			on := *s
			on.Ranks = r
			got, err := on.Loss(t.Context(), rows, 40)
			if err == nil && got != want {
				t.Errorf("rank %d of %d: loss %v, want %v", r.Rank(), size, got, want)
			}
			return err
		})
		if err := errors.Join(errs...); err != nil {
			t.Error(err)
		}
	}
	_, errs := ranktest.Run(2, func(r ranktest.Rank) error {
		on := *s
		on.Ranks = r
		_, err := on.Loss(t.Context(), rows[r.Rank():], 40)
		return err
	})
	for rank, err := range errs {
		if err == nil || !strings.HasPrefix(err.Error(), "rows: rank 0 has") {
			t.Errorf("rank %d: %v", rank, err)
		}
	}
}
