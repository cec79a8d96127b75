package tasks

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/internal/suggest"
	"github.com/spagotune/spagotune/tasks/data"
)

func init() {
	Register("mmlu", func() Task { return newMMLU(nil) })
	Register("biommlu", func() Task { return newMMLU(bioSubjects) })
}

// bioSubjects are MMLU's subjects of biomedicine, the BioMMLU of the MoRA paper.
var bioSubjects = []string{"anatomy", "clinical_knowledge", "college_biology", "college_medicine", "medical_genetics", "professional_medicine"}

// MMLU is questions with four options on 57 subjects (Hendrycks et al. 2021), answered by the most likely of " A", "
// B", " C" and " D". The score is the mean over the questions, and mean_of_subjects the mean over the subjects. The
// questions to train on are those of val. Worked examples are the first ones of dev, in the order of the file. Where a
// prompt is longer than the model takes, the last worked examples are left out, as in the published evaluation.
type MMLU struct {
	ChoiceAnswers
	// Data is the folder that holds the folders dev, val and test, which hold a file SUBJECT_dev.csv and so on each.
	Data string `json:"data"`
	// Split is the folder that is evaluated: test, the default, or val.
	Split string `json:"split" affects:"answers"`
	// Shots is how many worked examples are shown, 0 to 5; the paper has 0 and 5.
	Shots int `json:"shots" affects:"answers"`
	// Subjects are the subjects to ask about, as in the names of the files. The default is all of them, and for biommlu
	// those of biomedicine.
	Subjects []string `json:"subjects" affects:"answers"`

	reading
}

var _ interface {
	MultipleChoice
	Metrics
	Checker
	Describer
} = (*MMLU)(nil)

func newMMLU(subjects []string) *MMLU {
	return &MMLU{Split: "test", Subjects: slices.Clone(subjects), reading: reading{data.Store{Format: data.CSVColumns("question", "A", "B", "C", "D", "letter")}}}
}

// Describe says what the task is.
func (t *MMLU) Describe() string {
	return "MMLU's questions with four options, by log-likelihood; score: accuracy"
}

// Check returns an error if an option is missing or out of range.
func (t *MMLU) Check() error {
	switch {
	case t.Data == "":
		return errors.New("option data is missing: the folder that holds dev, val and test")
	case t.Split != "test" && t.Split != "val":
		return fmt.Errorf("option split is %q, want test or val", t.Split)
	case t.Shots < 0 || t.Shots > 5:
		return fmt.Errorf("option shots is %d, want 0 to 5", t.Shots)
	}
	return nil
}

// Examples yields the questions of a split, the subjects in the order of their names.
func (t *MMLU) Examples(split Split) iter.Seq2[Example, error] {
	return func(yield func(Example, error) bool) {
		folder, shots := t.Split, t.Shots
		if split == Train {
			folder, shots = "val", 0
		}
		subjects, err := t.subjects(folder)
		if err := firstError(split.check(), err); err != nil {
			yield(Example{}, err)
			return
		}
		for _, s := range subjects {
			questions, err := t.subject(s, folder, shots)
			if err != nil {
				yield(Example{}, err)
				return
			}
			for _, ex := range questions {
				if !yield(ex, nil) {
					return
				}
			}
		}
	}
}

// subjects lists the subjects to ask about.
func (t *MMLU) subjects(folder string) ([]string, error) {
	dir := filepath.Join(t.Data, folder)
	files, err := filepath.Glob(filepath.Join(dir, "*_"+folder+".csv"))
	if err != nil || len(files) == 0 {
		if _, err := os.Stat(dir); err != nil {
			return nil, fmt.Errorf("data: %w; want the folder that holds dev, val and test", err)
		}
		return nil, fmt.Errorf("data: %s has no file SUBJECT_%s.csv", dir, folder)
	}
	var known []string
	for _, f := range files {
		known = append(known, strings.TrimSuffix(filepath.Base(f), "_"+folder+".csv"))
	}
	if len(t.Subjects) == 0 {
		return known, nil
	}
	for _, s := range t.Subjects {
		if !slices.Contains(known, s) {
			return nil, fmt.Errorf("data: %s has no subject %q%s", dir, s, suggest.Hint(s, known))
		}
	}
	return slices.Sorted(slices.Values(t.Subjects)), nil
}

// subject is the questions of a subject, after its worked examples.
func (t *MMLU) subject(name, folder string, shots int) ([]Example, error) {
	preamble := "The following are multiple choice questions (with answers) about " + strings.ReplaceAll(name, "_", " ") + ".\n\n"
	var worked []string
	if shots > 0 {
		dev, err := t.read(name, "dev")
		if err != nil {
			return nil, err
		}
		if len(dev) < shots {
			return nil, fmt.Errorf("%s has %d questions, but option shots is %d", t.file(name, "dev"), len(dev), shots)
		}
		for _, ex := range dev[:shots] {
			worked = append(worked, ex.Worked())
		}
	}
	questions, err := t.read(name, folder)
	for i, ex := range questions {
		questions[i] = ex.WithShots(preamble, worked)
	}
	return questions, err
}

func (t *MMLU) file(subject, folder string) string {
	return filepath.Join(t.Data, folder, subject+"_"+folder+".csv")
}

// read is the questions of a file as they are.
func (t *MMLU) read(subject, folder string) ([]Example, error) {
	records, err := t.store.Records(data.Source{Path: t.file(subject, folder)})
	if err != nil {
		return nil, err
	}
	all := make([]Example, len(records))
	for i, r := range records {
		if all[i], err = parseMMLU(r); err != nil {
			return nil, fmt.Errorf("%s: %w", r.Source(), err)
		}
		all[i].Source, all[i].Group = r.Source(), subject
	}
	return all, nil
}

func parseMMLU(r data.Record) (Example, error) {
	f := r.Fields()
	question, letter := f.Text("question"), f.Text("letter")
	options := []string{f.Text("A"), f.Text("B"), f.Text("C"), f.Text("D")}
	if err := f.Err(); err != nil {
		return Example{}, err
	}
	right := slices.Index(letters(4), letter)
	if right < 0 {
		return Example{}, fmt.Errorf("the answer is %q, want A, B, C or D", letter)
	}
	return Question(question+"\n"+optionLines(options)+"Answer:", letters(4), right), nil
}

// ComputeMetrics is the accuracy, and its mean over the subjects.
func (t *MMLU) ComputeMetrics(examples []Example, predictions []Prediction) ([]Metric, error) {
	return groupMetrics("mean_of_subjects", examples, predictions)
}
