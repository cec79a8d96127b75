package finetune

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/model"
)

// loadTokenizer reads the tokenizer: that of the adapter that the run goes on from, if it has one, else that of the key
// tokenizer, else that in the model's folder dir. It gets the template of chat_template.
func (r *run) loadTokenizer(dir string) (err error) {
	if s := r.options.Session; s != nil && r.config.Model.Tokenizer == "" {
		if r.config.Model.ChatTemplate != "" {
			return errors.New("chat_template cannot be given to a model that is loaded already")
		}
		r.tokenizerDir = r.model.Dir
		r.tok, err = s.Tokenizer()
		return err
	}
	if r.config.Model.Tokenizer != "" {
		if dir, err = infer.ModelDir(r.config.Model.Tokenizer); err != nil {
			return err
		}
	}
	if dir == "" {
		return errors.New("tokenizer is empty; name one for a model with random weights")
	}
	r.tokenizerDir = dir
	files := infer.NewTokenizerFiles(dir, r.config.Method.Adapter)
	if files.FromAdapter() || r.model.Dir != "" && dir != r.model.Dir {
		r.tokenizerFiles = files
	}
	if name := r.config.Model.ChatTemplate; name != "" {
		if kind := r.model.Head().Kind; kind != head.CausalLM {
			return fmt.Errorf("chat_template is for causal language models; this one is for %s", kind)
		}
		if r.newTokens, err = files.SetChatTemplate(name); err != nil {
			return fmt.Errorf("chat_template: %w", err)
		}
		if len(r.newTokens) > 0 && r.config.Method.Adapter != "" {
			return fmt.Errorf("chat_template: %s adds tokens that the adapter in %s does not have; it cannot go on with them", name, r.config.Method.Adapter)
		}
		r.tokenizerFiles = files
	}
	r.tok, err = files.Load()
	return err
}

// addNewTokens lets an adapter train the embeddings of the tokens that chat_template adds, and their rows of an LM head
// that is not tied to them.
func (r *run) addNewTokens(s *adapter.Common) error {
	if len(r.newTokens) == 0 {
		return nil
	}
	var tables []string
	r.model.Tables(func(w *model.Weight) { tables = append(tables, strings.TrimSuffix(w.Name, ".weight")) })
	if slices.ContainsFunc(s.ModulesToSave, func(module string) bool { return strings.HasSuffix(tables[0], module) }) {
		return nil // the whole table trains
	}
	if s.TrainableTokenIndices.ByModule != nil {
		return fmt.Errorf("trainable_token_indices: chat_template %s adds the tokens %v; give a list, which they join, not lists by module", r.config.Model.ChatTemplate, r.newTokens)
	}
	list := slices.Concat(s.TrainableTokenIndices.List, r.newTokens)
	s.TrainableTokenIndices.List = list
	tied := true
	r.model.Weights(func(w *model.Weight) {
		if slices.Contains(r.model.Head().Modules(), strings.TrimSuffix(w.Name, ".weight")) {
			tied = w.Tied() != nil
		}
	})
	if !tied {
		s.TrainableTokenIndices = adapter.TokenIndices{ByModule: adapter.Pattern[[]int]{
			{Key: lastName(tables[0]), Value: list}, {Key: lastName(r.model.Head().Modules()[0]), Value: list}}}
	}
	return nil
}

// lastName is the last part of a module's path.
func lastName(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }

// saveTokenizer writes the tokenizer into a folder of the result if it is not the model's own. A whole model also gets the
// token at which chat_template ends turns as one that ends its texts.
func (r *run) saveTokenizer(dir string, whole bool) error {
	if r.tokenizerFiles == nil {
		return nil
	}
	if err := r.tokenizerFiles.Write(dir); err != nil || !whole || r.config.Model.ChatTemplate == "" {
		return err
	}
	stop, err := infer.StopTokens(r.model, r.tok)
	if err != nil {
		return err
	}
	return infer.WriteStopTokens(dir, stop)
}
