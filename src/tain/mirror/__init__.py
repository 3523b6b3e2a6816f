"""Mirror jobs: declared once, run from cron or by hand, judged before they delete (``tain mirror``)."""
