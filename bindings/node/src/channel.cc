#include "channel.h"

#include <utility>

namespace convoy_node {

namespace {

// Ends a question that JavaScript will not answer any more. That nobody waits for it is as good.
void give_up(uint64_t id, Question question) {
    if (question == Question::execute) {
        static const char cancelled[] = "{\"outcome\":\"cancelled\"}";
        convoy_completion_resolve(id, cancelled, sizeof cancelled - 1, nullptr);
    } else {
        static const char ended[] = "the JavaScript environment of the host ended";
        convoy_completion_reject(id, ended, sizeof ended - 1, nullptr);
    }
}

// Whether the engine never asks for the end of it: a step of landing is taken to its end.
bool is_never_cancelled(Question question) {
    return question == Question::prepare || question == Question::advance || question == Question::settle;
}

}  // namespace

bool Channel::post(std::unique_ptr<Message> message) {
    // The lock is what keeps the function alive: it is released only after `close`.
    std::lock_guard<std::mutex> guard(lock_);
    if (closed_) {
        return false;
    }
    if (napi_call_threadsafe_function(function_, message.get(), napi_tsfn_nonblocking) != napi_ok) {
        return false;
    }
    message.release();
    return true;
}

void Channel::ask(uint32_t host, Question question, const char *request, size_t len, uint64_t id) {
    {
        std::lock_guard<std::mutex> guard(lock_);
        open_[id] = Open{question, false};
    }
    auto message = std::make_unique<Message>();
    message->kind = Message::Kind::ask;
    message->key = host;
    message->question = question;
    message->id = id;
    message->text.assign(request, len);
    // Closed: the engine ends. It asks for the end of what it can cancel, and that is answered.
    if (!post(std::move(message)) && is_never_cancelled(question)) {
        answered(id);
        give_up(id, question);
    }
}

void Channel::cancel(uint64_t id) {
    Question question;
    {
        std::lock_guard<std::mutex> guard(lock_);
        auto found = open_.find(id);
        if (found == open_.end()) {
            return;
        }
        found->second.cancelled = true;
        question = found->second.question;
    }
    auto message = std::make_unique<Message>();
    message->kind = Message::Kind::cancel;
    message->id = id;
    if (!post(std::move(message))) {
        answered(id);
        give_up(id, question);
    }
}

void Channel::answered(uint64_t id) {
    std::lock_guard<std::mutex> guard(lock_);
    open_.erase(id);
}

void Channel::tell(uint32_t host, const char *record, size_t len) {
    {
        std::unique_lock<std::mutex> guard(lock_);
        room_.wait(guard, [this] { return closed_ || records_ < most_records; });
        records_++;
    }
    auto message = std::make_unique<Message>();
    message->kind = Message::Kind::log;
    message->key = host;
    message->text.assign(record, len);
    if (!post(std::move(message))) {
        told();
    }
}

void Channel::told() {
    {
        std::lock_guard<std::mutex> guard(lock_);
        records_--;
    }
    room_.notify_one();
}

void Channel::close() {
    std::map<uint64_t, Open> open;
    {
        std::lock_guard<std::mutex> guard(lock_);
        if (closed_) {
            return;
        }
        closed_ = true;
        for (auto at = open_.begin(); at != open_.end();) {
            if (at->second.cancelled || is_never_cancelled(at->second.question)) {
                open.insert(*at);
                at = open_.erase(at);
            } else {
                ++at;
            }
        }
    }
    room_.notify_all();
    // The others are answered when the engine asks for their end: an answer before that would be taken for the agent's.
    for (const auto &[id, question] : open) {
        give_up(id, question.question);
    }
}

}  // namespace convoy_node
