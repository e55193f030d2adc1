"""Shows the notebooks of docs/ as pages of the site; a hook of mkdocs.

They are not run here: what they print stands in them.
"""

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from nbconvert import MarkdownExporter


class NotebookPage(File):
    """A notebook, which mkdocs would otherwise copy as it is."""

    def is_documentation_page(self) -> bool:
        return True

    @property
    def content_string(self) -> str:
        text, _ = MarkdownExporter().from_filename(str(self.abs_src_path))
        return text


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Makes a page of every notebook."""
    for file in [*files]:
        if file.src_uri.endswith(".ipynb"):
            files.remove(file)
            files.append(
                NotebookPage(
                    file.src_uri, config.docs_dir, config.site_dir, config.use_directory_urls
                )
            )
    return files
