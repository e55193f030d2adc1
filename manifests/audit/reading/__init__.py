"""Reading split lists as others published them: any form, into tables of columns by meaning."""
