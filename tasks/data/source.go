package data

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Source is a data file and what is taken from it.
type Source struct {
	// Path names the file: JSON Lines, JSON, CSV, TSV, CoNLL, Parquet or plain text, all but Parquet also compressed by gzip
	// or zstd. It may be a folder or a pattern with * or ?, which stand for their files in the order of the names, "-" for
	// standard input, whose first lines tell its format, or "embedded:NAME" for a file of package evaldata.
	Path string `json:"path"`
	// Weight is how often each record comes in an epoch: 2 takes every record twice, 0.5 takes half of them, chosen by
	// the seed. 0, the default, means 1. Once any source has a weight, the records of all sources are shuffled by the
	// seed.
	Weight float64 `json:"weight"`
	// Index is a file that names the records to take, one a line and in its order: by the record's key in an object, by
	// its line where the file is named .line, else by its field "idx" or its number, counted from 0.
	Index string `json:"index"`
	// Field names the fields that hold the text, for the task text.
	Field Paths `json:"field"`
	// Limit is how many records to take at most, from the first on (of Index, where there is one); 0, the default, takes all.
	Limit int `json:"limit,omitempty"` // 0 is left out, so that files of answers of earlier versions keep their digest
	// Columns says which columns of the file hold the fields that the task reads: {messages: conversations} takes the column
	// conversations for messages.
	Columns ColumnMapping `json:"columns,omitempty"`
	// EvalSize is how many records are held out, which ones as the task decides; without it, the task decides how many, too.
	EvalSize *int `json:"eval_size"`
}

// Sources is an option that is one source or a list of them. In JSON a source is a path, a path with a weight
// ("a.jsonl*0.5"), or an object with the keys of Source.
type Sources []Source

// UnmarshalJSON takes each of these forms. An empty string is no source.
func (s *Sources) UnmarshalJSON(b []byte) error {
	raw := []json.RawMessage{b}
	if list := []json.RawMessage(nil); json.Unmarshal(b, &list) == nil {
		raw = list
	} else if string(b) == `""` {
		raw = nil
	}
	*s = nil
	for _, r := range raw {
		source, err := parseSource(r)
		if err != nil {
			return err
		}
		*s = append(*s, source)
	}
	return nil
}

// WithColumns is the source with columns, unless it has its own.
func (s Source) WithColumns(columns ColumnMapping) Source {
	if s.Columns == nil {
		s.Columns = columns
	}
	return s
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
			return s, fmt.Errorf("got %s, want a path or a list of paths, each alone, as path*weight or as {path, weight, index, field, limit, columns, eval_size}", raw)
		}
	}
	switch {
	case math.IsNaN(s.Weight) || s.Weight < 0 || s.Weight > 1000:
		return s, fmt.Errorf("%s: weight is %g, want more than 0, up to 1000", s.Path, s.Weight)
	case s.Limit < 0:
		return s, fmt.Errorf("%s: limit is %d, want 0 (all) or more", s.Path, s.Limit)
	case s.EvalSize != nil && *s.EvalSize < 0:
		return s, fmt.Errorf("%s: eval_size is %d, want 0 or more", s.Path, *s.EvalSize)
	}
	return s, nil
}

// cutWeight cuts the weight off "path*weight".
func cutWeight(s string) (path string, weight float64, ok bool) {
	i := strings.LastIndex(s, "*")
	if i < 1 {
		return s, 0, false
	}
	weight, err := strconv.ParseFloat(s[i+1:], 64)
	return s[:i], weight, err == nil && weight != 0
}

// Weighted reports whether any source has a weight.
func (s Sources) Weighted() bool {
	for _, source := range s {
		if source.Weight != 0 {
			return true
		}
	}
	return false
}

// Unweighted returns an error if any source has a weight. It is for options whose records are only evaluated.
func (s Sources) Unweighted(option string) error {
	if s.Weighted() {
		return errors.New("option " + option + " has a weight; only data has")
	}
	return nil
}

// TrainSize is how many of the source's n records are left to train on when the last EvalSize are held out.
func (s Source) TrainSize(n int) (int, error) {
	if s.EvalSize == nil {
		return n, nil
	}
	if *s.EvalSize > n {
		return 0, fmt.Errorf("option eval_size of %s is %d, but there are %d records", s.Path, *s.EvalSize, n)
	}
	return n - *s.EvalSize, nil
}
