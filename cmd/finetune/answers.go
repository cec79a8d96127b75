package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spagotune/spagotune/internal/linelog"
)

// answers is the file of --answers: a line for each input, in their order, with the run that made it. The same command goes on
// after its last whole line.
type answers struct {
	lines *linelog.File
	runs  []string // of all inputs
	done  int      // how many lines it has
}

// errNoAnswer is the error of a file that is something else.
var errNoAnswer = errors.New("is not a line that this command has written")

// openAnswers opens a file of answers, which may be new.
func openAnswers(path string, runs []string) (*answers, error) {
	a := &answers{runs: runs}
	var err error
	if a.lines, err = linelog.Open(path, errNoAnswer, a.take); err != nil {
		return nil, fmt.Errorf("answers: %w", err)
	}
	return a, nil
}

// take counts a line that is there.
func (a *answers) take(line []byte) error {
	var old struct{ Run string }
	if err := json.Unmarshal(line, &old); err != nil || old.Run == "" {
		return errNoAnswer
	}
	if a.done >= len(a.runs) || old.Run != a.runs[a.done] {
		return errors.New("belongs to another run (other inputs, model, adapter or settings); name another file")
	}
	a.done++
	return nil
}

// add writes the line of the next input, which line makes of its run.
func (a *answers) add(line func(run string) any) error {
	a.done++
	return linelog.Append(a.lines, line(a.runs[a.done-1]))
}

// Close closes the file.
func (a *answers) Close() error { return a.lines.Close() }

// runsOf names what makes the answer to each input: the settings of a verb, the adapter's weights and the input.
func runsOf[T any](settings any, adapterDir string, inputs []T) []string {
	weights, _ := os.ReadFile(filepath.Join(adapterDir, "adapter_model.safetensors")) // none without an adapter
	adapter := sha256.Sum256(weights)
	all := make([]string, len(inputs))
	for i, in := range inputs {
		sum := sha256.Sum256(fmt.Appendf(nil, "%+v\n%x\n%v", settings, adapter, in))
		all[i] = hex.EncodeToString(sum[:8])
	}
	return all
}
