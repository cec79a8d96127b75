package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spagotune/spagotune/infer"
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

// add writes the line of the next input, which line makes of its run. Without a file, it does nothing.
func (a *answers) add(line func(run string) any) error {
	if a == nil {
		return nil
	}
	a.done++
	return linelog.Append(a.lines, line(a.runs[a.done-1]))
}

// openShared is openAnswers on rank 0, with which it shares how many lines the file has. The others have no file.
func openShared(g *globals, path string, runs []string) (a *answers, done int, err error) {
	if g.leads() {
		if a, err = openAnswers(path, runs); err != nil {
			return nil, 0, err
		}
		done = a.done
	}
	done, err = infer.FromFirst(g.ranks(), done, nil)
	return a, done, err
}

// Close closes the file.
func (a *answers) Close() error {
	if a == nil {
		return nil
	}
	return a.lines.Close()
}

// weightsDigest identifies the weights of an adapter; without one, it is that of none.
func weightsDigest(adapterDir string) string {
	weights, _ := os.ReadFile(filepath.Join(adapterDir, "adapter_model.safetensors"))
	sum := sha256.Sum256(weights)
	return hex.EncodeToString(sum[:])
}

// runsOf names what makes the answer to each input: the settings of a verb, the adapter's weights and the input.
func runsOf[T any](settings any, adapterDir string, inputs []T) []string {
	adapter := weightsDigest(adapterDir)
	all := make([]string, len(inputs))
	for i, in := range inputs {
		sum := sha256.Sum256(fmt.Appendf(nil, "%+v\n%s\n%v", settings, adapter, in))
		all[i] = hex.EncodeToString(sum[:8])
	}
	return all
}
