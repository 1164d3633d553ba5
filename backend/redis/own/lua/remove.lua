-- Erases a live thread that has no files, and tells how it was.
--@ write
--@ ledger
local row = thread_get(prefix, gen)
if not row or not is_live(row, now) then return refuse('ENOENT') end
if tonumber(row[FILES]) > 0 then return refuse('ENOTEMPTY') end
thread_erase(prefix, gen, row)
tell(prefix, writer, 'G', gen, row)
ledger_say(prefix, now, DELETED, gen, row, row[ID], '')
return finish{row_format(row)}
