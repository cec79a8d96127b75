package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/nlpodyssey/cybertron/pkg/tasks/textgeneration"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/numeric"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
	"github.com/spagotune/spagotune/tokenizer"
	"github.com/spagotune/spagotune/tokenizer/chat"
)

// TextGenerator implements Cybertron's text generation.
type TextGenerator struct{ runner *runner }

var _ textgeneration.Interface = (*TextGenerator)(nil)

// defaultNewTokens is the maximum number of tokens of a causal model's text where nothing says another.
const defaultNewTokens = 256

// NewTextGenerator returns a pipeline for a sequence-to-sequence model or a causal language model. Texts are generated as
// the model's generation_config.json says (beams, penalties, lengths).
func NewTextGenerator(m *model.Model, tok *tokenizer.Tokenizer, o Options) (*TextGenerator, error) {
	src, err := sourceOf("text generation", m, tok)
	if err != nil {
		return nil, err
	}
	return newTextGenerator(src, o)
}

func newTextGenerator(src source, o Options) (*TextGenerator, error) {
	r, err := newRunner("text generation", src, o, head.Seq2SeqLM, head.CausalLM)
	if err != nil {
		return nil, err
	}
	if s, err := r.subject(context.Background()); err == nil {
		if _, err := s.once.generation(); err != nil {
			return nil, fmt.Errorf("pipeline: text generation: %w", err)
		}
	}
	return &TextGenerator{r}, nil
}

// Generate returns the best text and its score: its log-probability divided by its length to the power of the length
// penalty. With Sample the text is sampled; otherwise it is the result of beam search, or of greedy search. The text of a
// causal model continues the given one.
func (c *TextGenerator) Generate(ctx context.Context, text string, o *textgeneration.Options) (textgeneration.Response, error) {
	return c.Stream(ctx, text, o, nil)
}

// Stream is Generate that calls emit with each piece of the text as it is generated; the pieces add up to the text. With
// beams there is one piece. A nil emit is not called.
func (c *TextGenerator) Stream(ctx context.Context, text string, o *textgeneration.Options, emit func(piece string)) (textgeneration.Response, error) {
	all, err := c.generate(ctx, []string{text}, o, emit)
	if err != nil {
		return textgeneration.Response{}, fmt.Errorf("pipeline: text generation: %w", err)
	}
	return all[0], nil
}

// GenerateAll is Generate for several texts at once.
func (c *TextGenerator) GenerateAll(ctx context.Context, texts []string, o *textgeneration.Options) ([]textgeneration.Response, error) {
	all, err := c.generate(ctx, texts, o, nil)
	if err != nil {
		return nil, fmt.Errorf("pipeline: text generation: %w", err)
	}
	return all, nil
}

// Chat returns the assistant's next message in a conversation, rendered with the model's chat template. emit is as in
// Stream.
func (c *TextGenerator) Chat(ctx context.Context, messages []chat.Message, o *textgeneration.Options, emit func(piece string)) (textgeneration.Response, error) {
	r, err := c.chat(ctx, messages, o, emit)
	if err != nil {
		return r, fmt.Errorf("pipeline: chat: %w", err)
	}
	return r, nil
}

func (c *TextGenerator) chat(ctx context.Context, messages []chat.Message, o *textgeneration.Options, emit func(piece string)) (r textgeneration.Response, err error) {
	s, err := c.runner.subject(ctx)
	if err != nil {
		return r, err
	}
	prompt, err := s.chatPrompt(messages)
	if err != nil {
		return r, err
	}
	all, err := c.complete(ctx, s, [][]int32{prompt}, o, emit)
	if err != nil {
		return r, err
	}
	return all[0], nil
}

// chatPrompt returns the tokens of a conversation up to where the assistant's next message begins.
func (s *subject) chatPrompt(messages []chat.Message) ([]int32, error) {
	switch {
	case s.Head().Kind != head.CausalLM:
		return nil, fmt.Errorf("the model's head is for %s, and chats need one for %s", s.Head().Kind, head.CausalLM)
	case s.tok.ChatTemplate == "":
		return nil, errors.New("the tokenizer has no chat template (chat_template)")
	case len(messages) == 0:
		return nil, errors.New("there are no messages")
	}
	template, err := chat.ParseTemplate(s.tok.ChatTemplate)
	if err != nil {
		return nil, err
	}
	o := chat.Options{AddGenerationPrompt: true}
	if id, ok := s.tok.BOS(); ok {
		o.BOS = s.tok.Decode([]int32{id}, false)
	}
	if id, ok := s.tok.EOS(); ok {
		o.EOS = s.tok.Decode([]int32{id}, false)
	}
	text, err := template.Render(messages, o)
	if err != nil {
		return nil, err
	}
	return s.tok.Encode(text, false), s.tok.Err()
}

// prompt returns the tokens that generation starts from: those of a source text, or of a text to continue.
func (s *subject) prompt(text string) ([]int32, error) {
	if s.Head().Kind == head.CausalLM {
		return infer.EncodePrompt(s.tok, text, infer.PromptOptions{})
	}
	e, err := s.encode(text, textgeneration.ErrInputSequenceTooLong)
	return e.IDs, err
}

func (c *TextGenerator) generate(ctx context.Context, texts []string, o *textgeneration.Options, emit func(string)) ([]textgeneration.Response, error) {
	s, err := c.runner.subject(ctx)
	if err != nil {
		return nil, err
	}
	prompts := make([][]int32, len(texts))
	for i, text := range texts {
		if prompts[i], err = s.prompt(text); err != nil {
			return nil, textError(err, i, len(texts))
		}
	}
	return c.complete(ctx, s, prompts, o, emit)
}

// complete generates a text for each prompt.
func (c *TextGenerator) complete(ctx context.Context, s *subject, prompts [][]int32, o *textgeneration.Options, emit func(string)) ([]textgeneration.Response, error) {
	g, err := c.generationConfig(s, o)
	if err != nil {
		return nil, err
	}
	for i, p := range prompts {
		if n := s.Config().MaxPositionEmbeddings; len(p) >= n && s.Head().Kind == head.CausalLM {
			return nil, textError(fmt.Errorf("%w: %d tokens leave no room for an answer; the model takes %d", textgeneration.ErrInputSequenceTooLong, len(p), n), i, len(prompts))
		}
	}
	stream := s.tok.Target().NewStream(true)
	give := func(piece string) {
		if piece != "" && emit != nil {
			emit(piece)
		}
	}
	out, err := s.Generate(ctx, prompts, g, func(_ int, id int32) bool {
		if emit != nil {
			give(stream.Add(id))
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	give(stream.Flush())
	all := make([]textgeneration.Response, len(prompts))
	for i, ids := range out {
		score, err := s.score(g, prompts[i], ids)
		if err != nil {
			return nil, err
		}
		all[i] = textgeneration.Response{Texts: []string{s.tok.Target().Decode(ids, true)}, Scores: []float64{score}}
	}
	return all, nil
}

// generationConfig returns the model's settings with a call's options.
func (c *TextGenerator) generationConfig(subject *subject, o *textgeneration.Options) (model.GenerationConfig, error) {
	s, err := subject.once.generation()
	if err != nil {
		return s, err
	}
	if eos, ok := subject.tok.EOS(); ok && (len(s.EOSTokenIDs) == 0 || subject.Head().Kind == head.CausalLM && !slices.Contains(s.EOSTokenIDs, eos)) {
		s.EOSTokenIDs = append(slices.Clone(s.EOSTokenIDs), eos)
	}
	s.Adapter, s.Temperature, s.TopK, s.TopP = subject.adapter, 0, 0, 0
	switch n := c.runner.options.MaxNewTokens; {
	case n > 0:
		s.MaxNewTokens = n
	case subject.Head().Kind == head.CausalLM && s.MaxNewTokens == 0 && s.MaxLength == 0:
		s.MaxNewTokens = defaultNewTokens
	}
	if o == nil || !o.Sample.Valid || !o.Sample.Value {
		return s, nil
	}
	s.NumBeams, s.Temperature, s.Seed = 1, 1, rand.Uint64()
	if o.Temperature.Valid {
		if s.Temperature = o.Temperature.Value; s.Temperature <= 0 {
			return s, fmt.Errorf("temperature is %g; want more than 0 where texts are sampled", s.Temperature)
		}
	}
	if o.TopK.Valid {
		s.TopK = o.TopK.Value
	}
	if o.TopP.Valid {
		s.TopP = o.TopP.Value
	}
	return s, nil
}

// score returns the log-probability of a text, including its end token if it ended by itself, divided by its length to
// the power of the length penalty.
func (s *subject) score(g model.GenerationConfig, source, ids []int32) (float64, error) {
	causal := s.Head().Kind == head.CausalLM
	target, room := slices.Clone(ids), s.maxLength(g)-1 // without the decoder's first token
	if causal {
		room = s.maxNewTokens(g, len(source))
	}
	ended := len(ids) < room && len(g.EOSTokenIDs) > 0
	if ended {
		target = append(target, g.EOSTokenIDs[0])
	}
	if len(target) == 0 {
		return 0, nil
	}
	length := len(ids) + 1 // with the decoder's first token
	if causal {
		length = len(target)
	}
	sum := 0.0
	err := op.Inference(g.Adapter, func(p *op.Pass) error {
		y, err := s.targetLogits(p, source, target)
		if err != nil {
			return err
		}
		for i, id := range target {
			row := y.Row(i)
			if pad, ok := s.tok.Pad(); ok && !causal && int(pad) < len(row) && pad != id {
				row[pad] = float32(math.Inf(-1)) // Cybertron never generates it
			}
			probabilities := numeric.Softmax(row)
			if ended && i == len(ids) { // any of the end tokens, of which the text ended in the likeliest
				for _, eos := range g.EOSTokenIDs {
					if int(eos) < len(row) && probabilities[eos] > probabilities[id] {
						id = eos
					}
				}
			}
			sum += math.Log(probabilities[id])
		}
		return nil
	})
	return sum / math.Pow(float64(length), g.LengthPenalty), err
}

// targetLogits returns the outputs that decide on the tokens of a target, [len(target), vocabulary].
func (s *subject) targetLogits(p *op.Pass, source, target []int32) (tensor.Matrix, error) {
	if s.Head().Kind != head.CausalLM {
		return s.Logits(p, &model.Batch{IDs: source, Labels: target}, nil, nil)
	}
	rows := make([]int, len(target))
	for i := range rows {
		rows[i] = len(source) - 1 + i
	}
	return s.Logits(p, &model.Batch{IDs: slices.Concat(source, target[:len(target)-1])}, rows, nil)
}

// maxLength returns the maximum number of tokens of a text, including the decoder's first one.
func (s *subject) maxLength(g model.GenerationConfig) int {
	n := s.Config().MaxPositionEmbeddings
	switch {
	case g.MaxNewTokens > 0:
		return min(n, 1+g.MaxNewTokens)
	case g.MaxLength > 0:
		return min(n, g.MaxLength)
	}
	return n
}

// maxNewTokens returns the maximum number of tokens that a causal model generates after a prompt. The last one needs no
// place in the model's length.
func (s *subject) maxNewTokens(g model.GenerationConfig, prompt int) int {
	n := s.Config().MaxPositionEmbeddings - prompt + 1
	switch {
	case g.MaxNewTokens > 0:
		return min(n, g.MaxNewTokens)
	case g.MaxLength > 0:
		return min(n, g.MaxLength-prompt)
	}
	return n
}
