-- A file into another live thread, in one step. ARGV[10]: the other thread's generation; from 11 on
-- step_begin's of the first, of the second, then the one change, as file_change() has it.
--@ files
local from, at = step_begin(gen, 11)
if not from then return refuse(at) end
local to, a = step_begin(ARGV[10], at)
if not to then return refuse(a) end
from.files, to.files = {}, {}
local wrong = file_rename(from, to, a, 1)
if wrong then return refuse(wrong) end
if number_taken(to, ARGV[a + 3]) then return refuse('EEXIST') end
if not files_read(to) then return refuse('EIO') end
step_revisions(from, 0)
step_revisions(to, 1)
files_write(from)
files_write(to)
step_end(from)
step_end(to)
return finish{row_format(from.row), row_format(to.row), text(to.revision + 1)}
