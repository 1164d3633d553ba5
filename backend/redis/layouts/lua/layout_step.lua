-- Some commands in one step, if some replies are as expected; else ESTALE, and nothing is done.
-- ARGV from 3 on: the number of checks, each {expected, words, word…}; the number of commands, each
-- {flag, words, word…}. A flag is '0', or a letter and the number of a word that is only known here:
-- 't': a number less than the first command's reply, which a turn is called by; 'd': ms from now, which
-- becomes the time itself. 'l' is no command but a line for the ledger, as layout_ledger.lua keeps it: its key, its
-- counter, the mark's key, the deadline, the line. An absent reply is ''. Whatever was done, the side keys live as
-- long as the thread from then on. Answers {deadline of the thread, first reply}.
-- KEYS from 2 on: the thread's key, its side keys, and perhaps its session's hash and counter.
--@ layout_deadline
--@ layout_live
local at = 3
local function take()
	at = at + 1
	return ARGV[at - 1]
end
local function command()
	local words, count = {}, tonumber(take())
	for i = 1, count do
		words[i] = take()
	end
	return words
end
local function plain(reply)
	if type(reply) == 'table' then
		return reply.ok or ''
	end
	return reply or ''
end

-- What is wrong with the ledger itself stops no step.
local function enter(ledger, counter, mark, deadline, line)
	redis.pcall('SET', mark, deadline, 'EX', '86400')
	local seq = redis.pcall('INCR', counter)
	if type(seq) ~= 'number' then return end
	redis.pcall('RPUSH', ledger, string.format('%.0f ', seq) .. line)
	redis.pcall('LTRIM', ledger, -10000, -1)
end



-- What fails does not undo what was done before it: all that is written to is looked at first.
for k, kind in pairs{[3] = 'hash', [4] = 'hash', [5] = 'hash', [6] = 'string'} do
	local is = KEYS[k] and redis.call('TYPE', KEYS[k]).ok or 'none'
	if is ~= 'none' and is ~= kind then
		return redis.error_reply('WRONGTYPE of a key beside the thread')
	end
end
for _ = 1, tonumber(take()) do
	local expected = take()
	if tostring(plain(redis.call(unpack(command())))) ~= expected then
		return refuse('ESTALE')
	end
end
if redis.replicate_commands then redis.replicate_commands() end
local first
for _ = 1, tonumber(take()) do
	local flag, place = string.match(take(), '^(%a?)(%d+)$')
	local words = command()
	place = tonumber(place)
	if flag == 't' then
		words[place] = 'turn:' .. string.format('%d', first - tonumber(words[place]))
	elseif flag == 'd' then
		words[place] = string.format('%.0f', now + tonumber(words[place]))
	end
	if flag == 'l' then
		enter(unpack(words))
	else
		local reply = plain(redis.call(unpack(words)))
		first = first or reply
	end
end
local left = redis.call('PTTL', KEYS[2])
if left ~= -2 then
	live(KEYS[3], left)
	live(KEYS[4], left)
end
return finish{deadline(left == -2 and KEYS[3] or KEYS[2]), first or ''}
