// Package hub brings models, adapters and data sets from the Hugging Face Hub to this machine, and folders to the Hub. It is a
// library of its own: it needs nothing else of this module, no Python, and no settings other than the environment's. What
// belongs here is the client's side of the Hub's protocol and the cache; what the files mean belongs to other packages.
//
//	var client hub.Client
//	snap, err := client.Model(ctx, "org/name")           // or org/name@revision, or a local folder
//	if err != nil {
//		return err                                       // says what to do
//	}
//	weights := snap.Path("model.safetensors")
//
// # What is downloaded
//
// A [Choice] says which files of a repository are wanted: [ModelFiles], [AdapterFiles], [Parquet], [Match] and so on, or a
// function of the caller's. They come several at a time. A download that ends early, even by kill -9, goes on where it was.
// Temporary failures are tried again, ever more slowly, or after the time that the server asks for. Before it begins, the
// free disk space is looked at.
//
// Every file is held to the size and the hash that its repository's listing has: SHA-256 for files in LFS, git's SHA-1 for
// others. Only then does it get its name. So a file that is cut or altered on its way is an error, and never a model. When a
// file is found in the cache, its size is checked again; [Client.Verify] checks the hashes too.
//
// # The cache
//
// The cache is that of Python's huggingface_hub (2.4), and is shared with it: what one has downloaded, the other finds.
//
//	HF_HOME/hub/models--org--name/
//		refs/main              the commit that main was
//		trees/COMMIT.json      the listing of the commit
//		blobs/HASH             the contents; HASH.incomplete on the way
//		snapshots/COMMIT/…     the files under their names: links to blobs, or copies where there are no links
//		.no_exist/COMMIT/…     names that were asked for in vain
//	HF_HOME/hub/.locks/        a lock for each blob, so that two processes that want the same file end right
//
// A blob that is a link into the store that Python shares between repositories is read, and never replaced.
//
// # The environment
//
// HF_HOME, XDG_CACHE_HOME, HF_HUB_CACHE (or HUGGINGFACE_HUB_CACHE), HF_ENDPOINT, HF_TOKEN (or HUGGING_FACE_HUB_TOKEN),
// HF_TOKEN_PATH, HF_HUB_OFFLINE, TRANSFORMERS_OFFLINE, HF_HUB_ETAG_TIMEOUT and HF_HUB_DOWNLOAD_TIMEOUT (in seconds),
// HF_HUB_DISABLE_IMPLICIT_TOKEN, HF_HUB_DISABLE_SYMLINKS, HF_HUB_DISABLE_PROGRESS_BARS and HTTPS_PROXY mean what they mean to
// huggingface_hub. HF_HUB_DISABLE_TELEMETRY and HF_HUB_DISABLE_XET have nothing to switch off: this package sends no telemetry
// and uses plain HTTP.
//
// The token goes to the Hub alone: to its scheme, host and port, never to where it redirects.
//
// # Errors
//
// [ErrGated], [ErrUnauthorized], [ErrRepositoryNotFound] and the other sentinels are told apart by errors.Is. [StatusError],
// [IntegrityError], [SpaceError], [OtherTypeError], [NotConvertedError] and [MissingError] have the particulars, for errors.As.
package hub
