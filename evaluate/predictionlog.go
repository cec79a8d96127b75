package evaluate

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/internal/linelog"
	"github.com/spagotune/spagotune/tasks"
)

// PredictionLog is a file of an evaluation's answers in JSON Lines. Each answer is written as soon as it is there, with
// its task, prompt, output, score and the run that it belongs to. An interrupted run resumes where its file ends.
type PredictionLog struct {
	path  string
	lines *linelog.File
	run   Run
	old   map[string][]Prediction
}

// Run is what determines the answers of an evaluation.
type Run struct {
	// Model and Adapter are their folders; Adapter may be "".
	Model, Adapter string
	// Tasks are the tasks, Limit the number of examples of each (0 means all).
	Tasks []NamedTask
	Limit int

	ids map[string]string // by task: a digest of the model, the adapter, the task's options and the limit
}

// logLine is a line of the file.
type logLine struct {
	Task string `json:"task"`
	Prediction
	Model   string `json:"model"`
	Adapter string `json:"adapter,omitempty"`
	Run     string `json:"run"`
}

// OpenPredictionLog opens a file of answers, which may be new. A file of another run, or of something else, is an
// error.
func OpenPredictionLog(path string, run Run) (*PredictionLog, error) {
	a := &PredictionLog{path: path, run: run, old: map[string][]Prediction{}}
	if err := a.run.identify(); err != nil {
		return nil, fmt.Errorf("answers: %w", err)
	}
	var err error
	if a.lines, err = linelog.Open(path, errNoAnswer, a.take); err != nil {
		return nil, fmt.Errorf("answers: %w", err)
	}
	return a, nil
}

// Close closes the file.
func (a *PredictionLog) Close() error { return a.lines.Close() }

// identify computes the digest of each task.
func (r *Run) identify() error {
	sum := sha256.New()
	for _, dir := range []string{r.Model, r.Adapter} {
		if err := digest(sum, dir); err != nil {
			return err
		}
	}
	models := sum.Sum(nil)
	r.ids = map[string]string{}
	for _, t := range r.Tasks {
		options, err := json.Marshal(t.Task)
		if err != nil {
			return fmt.Errorf("%s: %w", t.Name, err)
		}
		id := sha256.Sum256(fmt.Appendf(slices.Clone(models), "\n%s\n%d\n%s", t.Name, r.Limit, options))
		r.ids[t.Name] = hex.EncodeToString(id[:8])
	}
	return nil
}

// digestPartBytes is the size of the three parts of a large file that are digested.
const digestPartBytes = 1 << 20

// digest writes what identifies a model or an adapter: the names, sizes and contents of the files in its folder. Of a
// large file it takes a part of the beginning, the middle and the end.
func digest(w io.Writer, dir string) error {
	if dir == "" {
		return nil
	}
	names, err := filepath.Glob(filepath.Join(dir, "*.*"))
	if err != nil {
		return err
	}
	for _, name := range names {
		if !slices.Contains([]string{".json", ".safetensors", ".bin", ".gguf"}, filepath.Ext(name)) {
			continue
		}
		if err := digestFile(w, name); err != nil {
			return err
		}
	}
	return nil
}

// digestFile writes the name, the size and the content of a file, or parts of it.
func digestFile(w io.Writer, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	size := info.Size()
	if _, err := fmt.Fprintf(w, "%s %d\n", filepath.Base(name), size); err != nil {
		return err
	}
	if size <= 3*digestPartBytes {
		_, err := io.Copy(w, f)
		return err
	}
	for _, at := range []int64{0, size / 2, size - digestPartBytes} {
		if _, err := io.Copy(w, io.NewSectionReader(f, at, digestPartBytes)); err != nil {
			return err
		}
	}
	return nil
}

// errNoAnswer is the error of a file that no evaluation has written.
var errNoAnswer = errors.New("this is not an answer of an evaluation; name another file")

// take keeps an answer of this run. An answer of another run is an error.
func (a *PredictionLog) take(line []byte) error {
	var k logLine
	if err := json.Unmarshal(line, &k); err != nil || k.Run == "" || k.Task == "" {
		return errNoAnswer
	}
	id, ours := a.run.ids[k.Task]
	otherRun := func(what, theirs, own string) error {
		return fmt.Errorf("belongs to another run: its %s is %s, this run's is %s; name another file", what, cmp.Or(theirs, "none"), cmp.Or(own, "none"))
	}
	switch {
	case k.Model != a.run.Model:
		return otherRun("model", k.Model, a.run.Model)
	case k.Adapter != a.run.Adapter:
		return otherRun("adapter", k.Adapter, a.run.Adapter)
	case !ours:
		var names []string
		for _, t := range a.run.Tasks {
			names = append(names, t.Name)
		}
		return otherRun("task", k.Task, strings.Join(names, ", "))
	case k.Run != id:
		return fmt.Errorf("belongs to another run of %s: its data, options, limit or weights are different; name another file", k.Task)
	}
	a.old[k.Task] = append(a.old[k.Task], k.Prediction)
	return nil
}

// kept returns the answers that the file has to the first examples.
func (a *PredictionLog) kept(task string, examples []tasks.Example) ([]Prediction, error) {
	if a == nil {
		return nil, nil
	}
	old := a.old[task]
	if len(old) > len(examples) {
		return nil, fmt.Errorf("answers: %s has %d answers, but the data have %d examples: they have changed; name another file", a.path, len(old), len(examples))
	}
	for i, k := range old {
		if ex := examples[i]; k.Source != ex.Source || k.Reference != ex.Reference {
			return nil, fmt.Errorf("answers: %s: answer %d of %s is to %s, but the data have another example there: they have changed; name another file", a.path, i+1, task, k.Source)
		}
	}
	return slices.Clip(old), nil
}

// add appends answers to the file.
func (a *PredictionLog) add(task string, answers []Prediction) error {
	if a == nil {
		return nil
	}
	lines := make([]logLine, len(answers))
	for i, one := range answers {
		lines[i] = logLine{Task: task, Prediction: one, Model: a.run.Model, Adapter: a.run.Adapter, Run: a.run.ids[task]}
	}
	if err := linelog.Append(a.lines, lines...); err != nil {
		return fmt.Errorf("answers: %w", err)
	}
	return nil
}
