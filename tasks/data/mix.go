package data

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
)

// Source is a data file and what is taken of it.
type Source struct {
	Path string `json:"path"`
	// Weight is how often a record is trained on in an epoch: 0.5 takes every second, chosen by the seed, 2 each twice.
	// 0, the default, is 1. As soon as one source has a weight, the records of all are mixed, in an order of the seed's.
	Weight float64 `json:"weight"`
	// Index is a file that names the records to take; see Files.Index.
	Index string `json:"index"`
	// Field are the fields that hold the text, for the task text.
	Field Paths `json:"field"`
	// EvalSize is how many records at the end are held out; the default is the task's.
	EvalSize *int `json:"eval_size"`
}

// Sources is an option that is one source or a list of them: a path, a path with a weight ("a.jsonl*0.5"), or an object
// with Source's keys.
type Sources []Source

// UnmarshalJSON takes any of the forms; an empty string is no source.
func (s *Sources) UnmarshalJSON(b []byte) error {
	raw := []json.RawMessage{b}
	if list := []json.RawMessage(nil); json.Unmarshal(b, &list) == nil {
		raw = list
	} else if string(b) == `""` {
		raw = nil
	}
	*s = nil
	for _, r := range raw {
		one, err := parseSource(r)
		if err != nil {
			return err
		}
		*s = append(*s, one)
	}
	return nil
}

func parseSource(raw []byte) (Source, error) {
	var s Source
	if json.Unmarshal(raw, &s.Path) == nil && s.Path != "" {
		if path, weight, ok := cutWeight(s.Path); ok {
			s.Path, s.Weight = path, weight
		}
	} else {
		d := json.NewDecoder(bytes.NewReader(raw))
		d.DisallowUnknownFields()
		if raw[0] != '{' || d.Decode(&s) != nil || s.Path == "" {
			return s, fmt.Errorf("got %s, want a path or a list of paths, each alone, as path*weight or as {path, weight, index, field, eval_size}", raw)
		}
	}
	switch {
	case math.IsNaN(s.Weight) || s.Weight < 0 || s.Weight > 1000:
		return s, fmt.Errorf("%s: weight is %g, want more than 0, up to 1000", s.Path, s.Weight)
	case s.EvalSize != nil && *s.EvalSize < 0:
		return s, fmt.Errorf("%s: eval_size is %d, want 0 or more", s.Path, *s.EvalSize)
	}
	return s, nil
}

// cutWeight takes the weight off "path*weight".
func cutWeight(s string) (path string, weight float64, ok bool) {
	i := strings.LastIndex(s, "*")
	if i < 1 {
		return s, 0, false
	}
	weight, err := strconv.ParseFloat(s[i+1:], 64)
	return s[:i], weight, err == nil && weight != 0
}

// Weighted says whether a source has a weight.
func (s Sources) Weighted() bool {
	for _, one := range s {
		if one.Weight != 0 {
			return true
		}
	}
	return false
}

// Unweighted refuses weights where records are only evaluated.
func (s Sources) Unweighted(option string) error {
	if s.Weighted() {
		return errors.New("option " + option + " has a weight; only data has")
	}
	return nil
}

// Mix takes what each source gives by its weight and mixes it by the seed; without weights it lays all end to end.
func Mix[T any](groups [][]T, sources Sources, seed uint64) []T {
	var all []T
	mixed := sources.Weighted()
	for i, g := range groups {
		w := sources[i].Weight
		if w == 0 {
			w = 1
		}
		for ; w >= 1; w-- {
			all = append(all, g...)
		}
		if n := int(math.Round(w * float64(len(g)))); n > 0 {
			for _, j := range Permutation(len(g), seed, uint64(i)+1)[:n] {
				all = append(all, g[j])
			}
		}
	}
	if !mixed {
		return all
	}
	out := make([]T, len(all))
	for i, j := range Permutation(len(all), seed, 0) {
		out[i] = all[j]
	}
	return out
}

// Permutation is an order of n things that depends on the seed and the purpose alone.
func Permutation(n int, seed, purpose uint64) []int {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	binary.LittleEndian.PutUint64(key[8:], purpose)
	copy(key[16:], "order of records")
	return rand.New(rand.NewChaCha8(key)).Perm(n)
}
