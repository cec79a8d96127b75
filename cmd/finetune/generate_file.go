package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/tasks/data"
)

// promptBatch is how many prompts of a file run side by side.
const promptBatch = 16

// answer is a line of the output of generate --file.
type answer struct {
	infer.Completion
	// Run names what made the text: model, adapter, settings and prompt.
	Run string `json:"run,omitempty"`
}

// file continues the prompts of a file, batch by batch, and prints each text or writes it to --answers.
func (c *generateCmd) file(g *globals, s *infer.Session) error {
	prompts, err := readPrompts(c.File)
	if err == nil {
		err = infer.SameOn(s.Ranks, [][2]string{{"prompts", strings.Join(runsOf(nil, "", prompts), " ")}})
	}
	if err != nil {
		return err
	}
	give, done := func(a answer) error { return c.printAnswer(g, a) }, 0
	if c.Answers != "" {
		var log *answers
		if log, done, err = openShared(g, c.Answers, c.runs(s, prompts)); err != nil {
			return err
		}
		defer func() { _ = log.Close() }()
		give = func(a answer) error {
			return log.add(func(run string) any { a.Run = run; return a })
		}
	}
	// A batch is always whole, so that samples do not depend on where a run was interrupted.
	from := min(len(prompts), done/promptBatch*promptBatch)
	batches := slices.Collect(slices.Chunk(prompts[from:], promptBatch))
	complete := func(i int) ([]infer.Completion, error) { return c.batch(g, s, batches[i], from+i*promptBatch) }
	return infer.Share(s.Ranks, len(batches), complete, func(i int, texts []infer.Completion) error {
		for k, text := range texts {
			if from+i*promptBatch+k < done {
				continue
			}
			if err := give(answer{Completion: text}); err != nil {
				return err
			}
		}
		return nil
	})
}

// batch continues prompts, of which there are others before.
func (c *generateCmd) batch(g *globals, s *infer.Session, prompts []string, before int) ([]infer.Completion, error) {
	ids := make([][]int32, len(prompts))
	for i, p := range prompts {
		var err error
		if ids[i], err = s.EncodePrompt(p, infer.PromptOptions{Chat: c.Chat, System: c.System}); err != nil {
			return nil, fmt.Errorf("prompt %d: %w", before+i+1, err)
		}
	}
	return s.CompleteAll(g.Ctx, ids, c.config(), c.Stop)
}

// printAnswer prints a text, or with --json the line of it.
func (c *generateCmd) printAnswer(g *globals, a answer) error {
	if c.JSON {
		return g.print(a)
	}
	g.printf("%s\n", a.Text)
	return nil
}

// runs names what makes each text.
func (c *generateCmd) runs(s *infer.Session, prompts []string) []string {
	settings := *c
	settings.File, settings.Answers, settings.JSON, settings.threadsFlag = "", "", false, threadsFlag{}
	settings.Model = s.Model.Dir
	return runsOf(settings, c.Adapter, prompts)
}

// readPrompts reads the prompts of a file, or of standard input ("-"), in each form that data may have (data.ReadTexts): the field prompt
// or text of records, or else a prompt a line.
func readPrompts(path string) ([]string, error) {
	records, all, err := data.ReadTexts(path, "prompt", "text")
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		o, err := r.Object()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.Source(), err)
		}
		prompt, err1 := o.Optional("prompt")
		text, err2 := o.Optional("text")
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("%s: %w", r.Source(), err)
		}
		if prompt = cmp.Or(prompt, text); prompt == "" {
			return nil, fmt.Errorf(`%s: field "prompt" is missing or empty, and so is "text"; the record has %s`, r.Source(), o.Names())
		}
		all = append(all, prompt)
	}
	return all, nil
}
