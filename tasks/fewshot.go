package tasks

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/tasks/data"
)

// FewShot are the options of a task that reads records from files and shows worked examples, with their answers, before
// each question.
type FewShot struct {
	Files
	// Shots is how many worked examples are shown before each question; the default is 0.
	Shots int `json:"shots" affects:"answers"`
}

// NewFewShot are the options with their defaults, for files in a format.
func NewFewShot(format data.Format) FewShot { return FewShot{Files: NewFiles(format)} }

// Check returns an error if the number of worked examples is out of range.
func (t *FewShot) Check() error {
	if t.Shots < 0 || t.Shots > 1000 {
		return fmt.Errorf("option shots is %d, want 0 to 1000", t.Shots)
	}
	return nil
}

// Parse is Files.Parse with worked examples before each question. They come from the train split, and the seed draws
// them, the same ones for all questions. The examples of the train split itself have none.
func (t *FewShot) Parse(split Split, parse func(data.Record) (Example, error)) iter.Seq2[Example, error] {
	questions := t.Files.Parse(split, parse)
	if t.Shots == 0 || split == Train {
		return questions
	}
	return func(yield func(Example, error) bool) {
		worked, err := t.drawShots(parse)
		if err != nil {
			yield(Example{}, err)
			return
		}
		for ex, err := range questions {
			if err == nil {
				ex = ex.WithShots("", worked)
			}
			if !yield(ex, err) {
				return
			}
		}
	}
}

// drawShots draws worked examples, one from each class of the train split in turn.
func (t *FewShot) drawShots(parse func(data.Record) (Example, error)) ([]string, error) {
	if len(t.Data) == 0 {
		return nil, errors.New("option shots needs data, which the worked examples come from")
	}
	var all []Example
	for ex, err := range t.Files.Parse(Train, parse) {
		if err != nil {
			return nil, err
		}
		all = append(all, ex)
	}
	if len(all) < t.Shots {
		return nil, fmt.Errorf("option shots is %d, but data has %d records", t.Shots, len(all))
	}
	classes := map[string][]string{}
	for _, i := range data.Permutation(len(all), t.Seed, 0) {
		classes[all[i].Class] = append(classes[all[i].Class], all[i].Worked())
	}
	names := slices.Sorted(maps.Keys(classes))
	var worked []string
	for round := 0; len(worked) < t.Shots; round++ {
		for _, name := range names {
			if c := classes[name]; round < len(c) && len(worked) < t.Shots {
				worked = append(worked, c[round])
			}
		}
	}
	return worked, nil
}

// shots are the worked examples before a question.
type shots struct {
	preamble string // before the worked examples
	worked   []string
	question string
}

// Worked is the example as it is shown before a question: the prompt, the answer, and an empty line.
func (ex Example) Worked() string { return ex.Prompt + ex.Reference + "\n\n" }

// WithShots puts a preamble and worked examples before the prompt of an example.
func (ex Example) WithShots(preamble string, worked []string) Example {
	return ex.shown(shots{preamble: preamble, worked: worked, question: ex.Prompt})
}

// DropShot is the example without the last of its worked examples, for a model that does not take a prompt of that
// length; false if it has none.
func (ex Example) DropShot() (Example, bool) {
	if ex.shots == nil || len(ex.shots.worked) == 0 {
		return ex, false
	}
	fewer := *ex.shots
	fewer.worked = fewer.worked[:len(fewer.worked)-1]
	return ex.shown(fewer), true
}

// shown is the example with other worked examples.
func (ex Example) shown(s shots) Example {
	ex.shots = &s
	ex.Prompt = s.preamble + strings.Join(s.worked, "") + s.question
	ex.Segments = Response(ex.Prompt, ex.Reference)
	return ex
}
