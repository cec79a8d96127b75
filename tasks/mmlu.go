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
	Register("mmlu", func() Task { return &MMLU{Split: "test"} })
	Register("biommlu", func() Task { return &MMLU{Split: "test", Subjects: slices.Clone(bioSubjects)} })
}

// bioSubjects are MMLU's subjects of biomedicine, the MoRA paper's BioMMLU.
var bioSubjects = []string{"anatomy", "clinical_knowledge", "college_biology", "college_medicine", "medical_genetics", "professional_medicine"}

// MMLU is questions with four options on 57 subjects (Hendrycks et al. 2021), answered by the likeliest of " A", " B",
// " C" and " D". The score is the mean over the questions; mean_of_subjects that over the subjects. Questions to train on
// are those of val, worked examples the first of dev, in file order. Where a prompt is longer than the model takes, the
// last worked examples are left out, as the published evaluation does.
type MMLU struct {
	multipleChoice
	// Data is the folder that holds dev, val and test, with a SUBJECT_dev.csv … each.
	Data string `json:"data"`
	// Split is the folder that is evaluated: test, the default, or val.
	Split string `json:"split"`
	// Shots is how many worked examples are shown, 0 to 5; the paper has 0 and 5.
	Shots int `json:"shots"`
	// Subjects are those to ask, by their files' names; all by default. biommlu has those of biomedicine.
	Subjects []string `json:"subjects"`
}

var (
	_ MultipleChoice = (*MMLU)(nil)
	_ Metrics        = (*MMLU)(nil)
	_ AnswerParser   = (*MMLU)(nil)
	_ Checker        = (*MMLU)(nil)
	_ Describer      = (*MMLU)(nil)
)

// Describe says what the task is.
func (t *MMLU) Describe() string {
	return "MMLU's questions with four options, by log-likelihood; score: accuracy"
}

// Check refuses values that cannot be.
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

// Examples yields the questions, subject by subject in the order of their names.
func (t *MMLU) Examples(split Split) iter.Seq2[Example, error] {
	return func(yield func(Example, error) bool) {
		folder, n := t.Split, t.Shots
		switch split {
		case Train:
			folder, n = "val", 0
		case Eval, Test:
		default:
			yield(Example{}, fmt.Errorf("split %q is not known; known are train, eval, test", split))
			return
		}
		subjects, err := t.subjects(folder)
		if err != nil {
			yield(Example{}, err)
			return
		}
		for _, s := range subjects {
			if !t.subject(s, folder, n, yield) {
				return
			}
		}
	}
}

// subjects lists the subjects to ask.
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

// subject yields the questions of one subject; it says whether to go on.
func (t *MMLU) subject(name, folder string, shots int, yield func(Example, error) bool) bool {
	head := "The following are multiple choice questions (with answers) about " + strings.ReplaceAll(name, "_", " ") + ".\n\n"
	var worked []string
	if shots > 0 {
		dev, err := t.read(name, "dev")
		if err == nil && len(dev) < shots {
			err = fmt.Errorf("%s has %d questions, but option shots is %d", t.file(name, "dev"), len(dev), shots)
		}
		if err != nil {
			return yield(Example{}, err) && false
		}
		for _, ex := range dev[:shots] {
			worked = append(worked, ex.Prompt+ex.Reference+"\n\n")
		}
	}
	questions, err := t.read(name, folder)
	if err != nil {
		return yield(Example{}, err) && false
	}
	for _, ex := range questions {
		if !yield(ex.withShots(head, worked), nil) {
			return false
		}
	}
	return true
}

func (t *MMLU) file(subject, folder string) string {
	return filepath.Join(t.Data, folder, subject+"_"+folder+".csv")
}

// read is the bare questions of a file: question, four options and the right letter in a row.
func (t *MMLU) read(subject, folder string) ([]Example, error) {
	file := t.file(subject, folder)
	f, err := data.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows, err := data.ReadRows(file, f)
	if err != nil {
		return nil, err
	}
	var all []Example
	for _, row := range rows {
		if len(row.Cells) != 6 {
			return nil, fmt.Errorf("%s:%d: %d columns, want 6: question, four options, letter", file, row.Line, len(row.Cells))
		}
		letter := row.Cells[5]
		right := strings.Index("ABCD", letter)
		if len(letter) != 1 || right < 0 {
			return nil, fmt.Errorf("%s:%d: the answer is %q, want A, B, C or D", file, row.Line, letter)
		}
		ex := lettered(row.Cells[0]+"\n"+optionLines(row.Cells[1:5])+"Answer:", 4, right)
		ex.Source, ex.group = fmt.Sprintf("%s:%d", file, row.Line), subject
		all = append(all, ex)
	}
	return all, nil
}

// ComputeMetrics is accuracy, and its mean over the subjects.
func (t *MMLU) ComputeMetrics(examples []Example, answers []Prediction) ([]Metric, error) {
	return judgeGroups("mean_of_subjects", examples, answers)
}
