// Package chat renders conversations with the chat templates of Hugging Face models, exactly as transformers renders
// them. What a conversation is belongs here: messages, templates, and which part of the text the assistant wrote. The
// template language belongs to package internal/jinja, and text to ids to package tokenizer.
//
//	template, err := chat.ParseTemplate(tok.ChatTemplate) // of a *tokenizer.Tokenizer
//	if err != nil {
//		return err
//	}
//	messages := []chat.Message{{Role: "user", Content: "Hi!"}}
//	text, err := template.Render(messages, chat.Options{AddGenerationPrompt: true, EOS: "</s>"})
//	ids := tok.Encode(text, false) // the template has written the special tokens
//
// A conversation is a list of [Message], often read from JSON. [ParseTemplate] makes a [Template], and [Options] are
// what a template sees in addition to the messages. [Template.Render] returns the text. [Template.Segments] returns it
// in parts, and marks those that the assistant wrote: that is what fine-tuning learns. [OrderedMap] is a JSON object
// whose keys keep their order, because some templates print them. [BuiltinTemplate] has templates for base models, which
// come without one.
//
// An error of a template is a [*TemplateError]; it tells a broken template from one that refuses the conversation.
// Segments may also return [ErrTurnNotFound].
package chat
